%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
-module(lives).
-export([spawn/1, skynet/1, idle_memory/2, idle/1]).
-import(erlang_peer, [span/1, law/2]).
-compile({no_auto_import, [spawn/1]}).

spawn(Children) ->
    process_flag(message_queue_data, off_heap),
    Self = self(),
    span(fun() ->
        lists:foreach(fun(I) -> erlang:spawn(fun() -> Self ! I end) end, lists:seq(0, Children - 1)),
        Sum = hear(Children, 0),
        law(Sum =:= Children * (Children - 1) div 2, "spawn: a child got lost"),
        Children
    end).

hear(0, Sum) -> Sum;
hear(Left, Sum) -> receive I -> hear(Left - 1, Sum + I) end.

skynet(AtLeast) ->
    Self = self(),
    Leaves = ten_to(1, AtLeast),
    span(fun() ->
        erlang:spawn(fun() -> node(Self, 0, Leaves) end),
        receive Sum -> law(Sum =:= Leaves * (Leaves - 1) div 2, "skynet: the sum") end,
        Leaves
    end).

ten_to(N, AtLeast) when N >= AtLeast -> N;
ten_to(N, AtLeast) -> ten_to(10 * N, AtLeast).

node(Parent, First, 1) -> Parent ! First;
node(Parent, First, Leaves) ->
    Self = self(),
    Each = Leaves div 10,
    [erlang:spawn(fun() -> node(Self, First + I * Each, Each) end) || I <- lists:seq(0, 9)],
    Parent ! hear(10, 0).

%% What is resident once each has answered one message and waits for the next.
idle_memory(Count, How) ->
    Before = resident_bytes(),
    {Operations, Ns, Cpu, Members} = span(fun() ->
        Actors = [begin
            A = erlang:spawn(fun() -> idle(How) end),
            visit(A),
            A
        end || _ <- lists:seq(1, Count)],
        Each = (resident_bytes() - Before) / Count,
        lists:foreach(fun visit/1, Actors),
        {Count, [{"bytes_each", Each}]}
    end),
    {Operations, Ns, Cpu, Members}.

visit(Actor) ->
    Actor ! {hello, self()},
    receive {hello, Actor} -> ok end.

idle(How) ->
    receive {hello, From} -> From ! {hello, self()} end,
    case How of
        wait -> idle(How);
        hibernate -> erlang:hibernate(?MODULE, idle, [How])
    end.

resident_bytes() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Text, <<" ">>, [global]),
    4096 * binary_to_integer(Pages).
