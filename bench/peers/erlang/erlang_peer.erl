%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
%%
%% The workloads of bench/runtime on Erlang's processes:
%%
%%     erl +S WORKERS:WORKERS -noshell -pa DIR -run erlang_peer main WORKLOAD full|smoke
%%
%% Each checks its conservation law; the result is one line of JSON. A twentieth runs first, untimed.
-module(erlang_peer).
-export([main/1, span/1, law/2, below/2]).

%% Full, smoke, unit.
workload("pingpong") -> {fun messages:pingpong/1, 2000000, 1000, "M/s"};
workload("ring") -> {fun(Hops) -> messages:ring(Hops, 1) end, 2000000, 2000, "M/s"};
workload("ring100") -> {fun(Hops) -> messages:ring(Hops, 100) end, 5000000, 20000, "M/s"};
workload("fanin") -> {fun messages:fanin/1, 1000000, 2000, "M/s"};
workload("ubench") -> {fun messages:ubench/1, 3000, 100, "M/s"};
workload("spawn") -> {fun lives:spawn/1, 1000000, 2000, "M/s"};
workload("skynet") -> {fun lives:skynet/1, 1000000, 1000, "s"};
workload("idle_memory") -> {fun(Count) -> lives:idle_memory(Count, wait) end, 1000000, 2000, "bytes"};
workload("idle_memory_hibernated") -> {fun(Count) -> lives:idle_memory(Count, hibernate) end, 1000000, 2000, "bytes"};
workload("json_call") -> {fun(Calls) -> calls:terms(Calls, 1) end, 500000, 1000, "M/s"};
workload("json_call4") -> {fun(Calls) -> calls:terms(Calls, 4) end, 500000, 1000, "M/s"};
workload("select") -> {fun calls:select/1, 100000, 100, "M/s"};
workload("select_alternating") -> {fun calls:select_alternating/1, 100000, 100, "M/s"};
workload("timers") -> {fun waits:timers/1, 100000, 1000, "s"};
workload("latency") ->
    {fun(Questions) -> waits:latency(Questions, erlang:system_info(schedulers_online)) end, 2000, 100, "M/s"};
workload("latency_alone") -> {fun(Questions) -> waits:latency(Questions, 0) end, 2000, 100, "M/s"};
workload(Name) ->
    io:format(standard_error, "erlang_peer: no such workload here: ~s~n", [Name]),
    halt(3).

main([Name, Size]) ->
    {Run, Full, Smoke, Unit} = workload(Name),
    Count = case Size of "smoke" -> Smoke; "full" -> Full end,
    Unit =:= "bytes" orelse in_a_process(Run, Count div 20 + 1),
    print(Name, Unit, in_a_process(Run, Count)),
    halt(0).

%% With an empty mailbox and a fresh heap.
in_a_process(Run, Count) ->
    Self = self(),
    {_, Monitor} = spawn_monitor(fun() -> Self ! {result, Run(Count)} end),
    receive {'DOWN', Monitor, process, _, Reason} -> law(Reason =:= normal, Reason) end,
    receive {result, Result} -> Result end.

%% The work returns how many operations it was, or that and members for the line of JSON.
span(Work) ->
    Began = erlang:monotonic_time(nanosecond),
    Cpu = cpu_ms(),
    Result = Work(),
    Ns = erlang:monotonic_time(nanosecond) - Began,
    {Operations, Members} = case Result of {_, _} -> Result; _ -> {Result, []} end,
    {Operations, Ns, cpu_ms() - Cpu, Members}.

%% Of all threads.
cpu_ms() -> element(1, erlang:statistics(runtime)).

law(true, _) -> ok;
law(false, What) ->
    io:format(standard_error, "erlang_peer: ~p~n", [What]),
    halt(1).

%% xorshift that fits small integers, so that no step allocates: a number from 0, and the next state.
below(N, State) ->
    A = State bxor (State bsl 13) band 16#FFFFFFFF,
    B = A bxor (A bsr 17),
    Next = B bxor (B bsl 5) band 16#FFFFFFFF,
    {Next rem N, Next}.

print(Name, Unit, {Operations, Ns, CpuMs, Members}) ->
    Line = [{"peer", text("erlang")}, {"version", text(version())}, {"workload", text(Name)},
            {"workers", erlang:system_info(schedulers_online)}, {"operations", Operations}, {"seconds", Ns / 1.0e9},
            {"cpu_seconds", CpuMs / 1000}, {"unit", text(Unit)}, {"law", text("held")} | Members],
    io:format("{~s}~n", [lists:join($,, [io_lib:format("\"~s\":~s", [Key, json(Value)]) || {Key, Value} <- Line])]).

version() -> "OTP " ++ erlang:system_info(otp_release) ++ ", erts " ++ erlang:system_info(version).

text(Text) -> {text, Text}.

json({text, Text}) -> [$", Text, $"];
json({object, Members}) -> [${, lists:join($,, [[$", Key, "\":", json(Value)] || {Key, Value} <- Members]), $}];
json(List) when is_list(List) -> [$[, lists:join($,, [json(Value) || Value <- List]), $]];
json(Number) -> io_lib:format("~p", [Number]).
