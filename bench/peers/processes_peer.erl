%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
%%
%% The workloads of bench/runtime on Erlang's processes:
%%     erl +S THREADS:THREADS -noshell -pa DIR -run processes_peer main WORKLOAD COUNT
%% Each checks the same law as ours and prints one line of JSON. Half the count runs first, untimed.
-module(processes_peer).
-export([main/1]).

main([Name, Text]) ->
    Count = list_to_integer(Text),
    Workload = list_to_existing_atom(Name),
    _ = run(Workload, Count div 2),
    Began = erlang:monotonic_time(nanosecond),
    Ops = run(Workload, Count),
    Ns = erlang:monotonic_time(nanosecond) - Began,
    io:format("{\"workload\":\"~s\",\"form\":\"erlang\",\"workers\":~b,\"copy\":\"-\",\"ops\":~b,\"seconds\":~.6f,"
              "\"ops_per_s\":~b,\"ns_per_op\":~.2f,\"version\":\"~s\"}~n",
              [Name, erlang:system_info(schedulers_online), Ops, Ns / 1.0e9, round(Ops * 1.0e9 / Ns), Ns / Ops,
               erlang:system_info(otp_release)]),
    halt(0).

%% In a process of its own, whose mailbox is empty.
run(Workload, Count) ->
    Self = self(),
    {_, Ref} = spawn_monitor(fun() -> Self ! {ops, workload(Workload, Count)} end),
    receive {'DOWN', Ref, process, _, normal} -> ok end,
    receive {ops, Ops} -> Ops end.

workload(pingpong, Trips) ->
    Self = self(),
    Other = spawn_link(fun() -> pong(Self, Trips) end),
    ping(Other, 0, Trips),
    2 * Trips;
workload(ring, Hops) ->
    Self = self(),
    Stations = [spawn_link(fun() -> station(Self) end) || _ <- lists:seq(1, 1000)],
    lists:foreach(fun({S, Next}) -> S ! {next, Next} end, lists:zip(Stations, tl(Stations) ++ [hd(Stations)])),
    hd(Stations) ! Hops,
    receive done -> ok end,
    Hops = lists:sum([begin S ! stop, receive {made, Made} -> Made end end || S <- Stations]);
workload(fanin, Each) ->
    Self = self(),
    [spawn_link(fun() -> produce(Self, P, 0, Each) end) || P <- lists:seq(0, 3)],
    consume({0, 0, 0, 0}, 4 * Each),
    4 * Each;
workload(spawn, Children) ->
    Self = self(),
    lists:foreach(fun(I) -> spawn(fun() -> Self ! I end) end, lists:seq(0, Children - 1)),
    Sum = Children * (Children - 1) div 2,
    Sum = hear(Children, 0),
    Children.

ping(_, Trips, Trips) -> ok;
ping(Other, I, Trips) ->
    Other ! 2 * I,
    Answer = 2 * I + 1,
    receive Answer -> ping(Other, I + 1, Trips) end.

pong(_, 0) -> ok;
pong(Other, Trips) ->
    receive N -> Other ! N + 1, pong(Other, Trips - 1) end.

station(Main) -> receive {next, Next} -> station(Main, Next, 0) end.
station(Main, Next, Made) ->
    receive
        stop -> Main ! {made, Made};
        1 -> Main ! done, station(Main, Next, Made + 1);
        Left -> Next ! Left - 1, station(Main, Next, Made + 1)
    end.

produce(_, _, Each, Each) -> ok;
produce(To, P, I, Each) -> To ! {P + 1, I}, produce(To, P, I + 1, Each).

consume(_, 0) -> ok;
consume(Next, Left) ->
    receive {P, I} when element(P, Next) =:= I -> consume(setelement(P, Next, I + 1), Left - 1) end.

hear(0, Sum) -> Sum;
hear(Left, Sum) -> receive I -> hear(Left - 1, Sum + I) end.
