%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
-module(waits).
-export([timers/1, latency/2]).
-import(erlang_peer, [span/1, law/2, below/2]).

%% Each actor sleeps 1 to 100 ms ten times.
timers(Actors) ->
    Self = self(),
    span(fun() ->
        lists:foreach(fun(I) -> spawn_link(fun() -> sleep(Self, I * 40503, 10) end) end, lists:seq(1, Actors)),
        slept(Actors),
        10 * Actors
    end).

sleep(Main, _, 0) -> Main ! slept;
sleep(Main, Random, Left) ->
    {Ms, Next} = below(100, Random),
    receive after 1 + Ms -> sleep(Main, Next, Left - 1) end.

slept(0) -> ok;
slept(Left) -> receive slept -> slept(Left - 1) end.

%% A client asks an echo every millisecond; those who compute beside them give way every 100 us.
latency(Questions, Computing) ->
    Others = [spawn_link(fun compute/0) || _ <- lists:seq(1, Computing)],
    Echo = spawn_link(fun echo/0),
    Result = span(fun() -> {Questions, members(ask(Echo, 0, Questions, now_us(), []))} end),
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- [Echo | Others]],
    Result.

ask(_, Questions, Questions, _, Times) -> Times;
ask(Echo, Asked, Questions, Due, Times) ->
    NextDue = max(Due + 1000, now_us()),
    receive after max(0, (NextDue - now_us() + 999) div 1000) -> ok end,
    Sent = erlang:monotonic_time(nanosecond),
    Echo ! {self(), Asked},
    receive {Echo, Answer} -> Answer = Asked end,
    Time = erlang:monotonic_time(nanosecond) - Sent,
    ask(Echo, Asked + 1, Questions, NextDue, [Time | Times]).

echo() -> receive {From, N} -> From ! {self(), N}, echo() end.

compute() ->
    compute_until(now_us() + 100),
    erlang:yield(),
    compute().

compute_until(End) ->
    case now_us() < End of
        true -> compute_until(End);
        false -> ok
    end.

now_us() -> erlang:monotonic_time(microsecond).

%% Quantiles, and counts up to bounds that grow by a tenth.
members(Times) ->
    Sorted = list_to_tuple(lists:sort(Times)),
    At = fun(Quantile) -> element(1 + trunc(Quantile * (tuple_size(Sorted) - 1)), Sorted) / 1000 end,
    Quantiles = [{"p50", At(0.5)}, {"p90", At(0.9)}, {"p99", At(0.99)}, {"p999", At(0.999)}, {"max", At(1)}],
    Counts = lists:foldl(fun(Ns, Map) -> maps:update_with(bound(Ns / 1000, 1), fun(N) -> N + 1 end, 1, Map) end, #{}, Times),
    [{"latency_us", {object, Quantiles}}, {"histogram", [[Us, N] || {Us, N} <- lists:sort(maps:to_list(Counts))]}].

bound(Us, Upper) when Us =< Upper -> Upper;
bound(Us, Upper) -> bound(Us, Upper + 1 + Upper div 10).
