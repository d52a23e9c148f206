%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
-module(messages).
-export([pingpong/1, ring/2, fanin/1, ubench/1]).
-import(erlang_peer, [span/1, law/2, below/2]).

pingpong(Trips) ->
    Self = self(),
    Other = spawn_link(fun() -> pong(Self, Trips) end),
    span(fun() -> ping(Other, 0, Trips), 2 * Trips end).

ping(_, Trips, Trips) -> ok;
ping(Other, I, Trips) ->
    Other ! 2 * I,
    receive N -> N = 2 * I + 1 end,
    ping(Other, I + 1, Trips).

pong(_, 0) -> ok;
pong(Other, Trips) ->
    receive N -> Other ! N + 1 end,
    pong(Other, Trips - 1).

%% A token carries the hops it has left.
ring(Hops, Tokens) ->
    Self = self(),
    Stations = [spawn_link(fun() -> receive {next, Next} -> station(Self, Next, 0) end end) || _ <- lists:seq(1, 1000)],
    [S ! {next, Next} || {S, Next} <- lists:zip(Stations, tl(Stations) ++ [hd(Stations)])],
    Each = (Hops + Tokens - 1) div Tokens,
    Starts = [lists:nth(1 + I * 1000 div Tokens, Stations) || I <- lists:seq(0, Tokens - 1)],
    Result = span(fun() ->
        [S ! Each || S <- Starts],
        [receive done -> ok end || _ <- Starts],
        Each * Tokens
    end),
    Made = lists:sum([begin S ! stop, receive {made, N} -> N end end || S <- Stations]),
    law(Made =:= Each * Tokens, "ring: hops got lost"),
    Result.

station(Main, Next, Made) ->
    receive
        stop -> Main ! {made, Made};
        Left when Left > 1 -> Next ! Left - 1, station(Main, Next, Made + 1);
        _ -> Main ! done, station(Main, Next, Made + 1)
    end.

%% Where a long queue is expected it is kept out of the heap: else each collection goes through all of it.
fanin(Each) ->
    process_flag(message_queue_data, off_heap),
    Self = self(),
    span(fun() ->
        [spawn_link(fun() -> produce(Self, P, 0, Each) end) || P <- lists:seq(0, 3)],
        consume({0, 0, 0, 0}, 4 * Each),
        4 * Each
    end).

produce(_, _, Each, Each) -> ok;
produce(To, P, I, Each) -> To ! P + 4 * I, produce(To, P, I + 1, Each).

consume(_, 0) -> ok;
consume(Next, Left) ->
    receive N ->
        Producer = N band 3 + 1,
        I = element(Producer, Next),
        I = N bsr 2,
        consume(setelement(Producer, Next, I + 1), Left - 1)
    end.

%% Who has been stopped gives its pings back.
ubench(Ms) ->
    Self = self(),
    Actors = [spawn_link(fun() -> receive To -> bouncer(Self, To, I, 0) end end) || I <- lists:seq(1, 256)],
    To = list_to_tuple(Actors),
    [A ! To || A <- Actors],
    Result = span(fun() ->
        [element(1 + Ping div 5, To) ! Ping || Ping <- lists:seq(0, 1279)],
        receive after Ms -> ok end,
        [A ! stop || A <- Actors],
        lists:sum([receive {received, N} -> N end || _ <- Actors])
    end),
    Back = [receive {back, Ping} -> Ping end || _ <- lists:seq(1, 1280)],
    law(lists:sort(Back) =:= lists:seq(0, 1279), "ubench: a ping doubled"),
    Result.

bouncer(Main, To, Random, Received) ->
    receive
        stop -> Main ! {received, Received}, give_back(Main);
        Ping ->
            {At, Next} = below(256, Random),
            element(At + 1, To) ! Ping,
            bouncer(Main, To, Next, Received + 1)
    end.

give_back(Main) -> receive Ping -> Main ! {back, Ping}, give_back(Main) end.
