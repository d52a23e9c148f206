# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
#
# Sourced by tools/test --all: what takes longer than a test may. Each line is a step, done once for the same files; the goals
# are those of tests/README.md, and with the default of five minutes each this is a night.

# A program of a flavour that is built.
in_flavour() { # FLAVOUR PROGRAM [ARGUMENT]...
    program=build/$1/tests/$2
    shift 2
    "$program" "$@"
}

# Clang's fuzzer from where it stopped the last time (build/fuzz/tests/corpus), with the seeds of the tree.
fuzz_for() { # NAME SECONDS
    found=build/fuzz/tests/corpus/$1
    seeds=tests/fuzz/corpus/$1
    [ -d "$seeds" ] || seeds=
    mkdir -p "$found" && "build/fuzz/tests/$1_fuzz" "-max_total_time=$2" -max_len=4096 -timeout=60 -print_final_stats=1 \
        "-artifact_prefix=$found-" "$found" $seeds
}

test_long() {
    seconds=$((minutes * 60))
    step "explore weaken" env JOBS="$jobs" tests/explore/weaken
    for flavour in release tsan; do
        step "simulate every $flavour" in_flavour $flavour every_simulate $((4 * minutes))
        step "simulate seeds $flavour" in_flavour $flavour seeds_simulate $((100 * minutes))
    done
    step "simulate twice" tests/simulate/twice build/release/tests/semantics_all $(seq 2 $((2 * minutes)))
    if [ -x tests/inject/run ]; then step "inject all" tests/inject/run --all build/release; fi
    step "stress conservation" tests/stress/run --release $((2 * minutes)) --tsan 1 --tsan-messages 5000000
    step "stress conservation 16" tests/stress/run --release "$minutes" --tsan 0 --workers 16
    step "stress storm" in_flavour release storm_stress --rounds 100
    step "stress million" in_flavour release million_stress --actors 1000000
    step "stress waves" in_flavour release waves_stress --actors 1000000 --waves 10
    step "stress flood" in_flavour release flood_stress --seconds "$seconds" --kb 262144
    step "stress overflow" in_flavour release overflow_stress --overflows $((40000 * minutes)) --inside 0
    step "stress overflow inside" in_flavour release overflow_stress --overflows $((200 * minutes)) --inside 50
    step "stress rescue" in_flavour release rescue_stress --seconds 10 --goal 1
    step "stress restart" in_flavour release restart_stress --cycles $((4000 * minutes))
    for source in tests/fuzz/*_fuzz.c; do
        name=$(basename "$source" _fuzz.c)
        step "fuzz $name" fuzz_for "$name" "$seconds"
    done
    step "fuzz differential" in_flavour release differential --count $((100000 * minutes))
}
