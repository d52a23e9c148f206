%% SPDX-License-Identifier: MIT
%% SPDX-FileCopyrightText: The Greenroom authors
-module(calls).
-export([terms/2, select/1, select_alternating/1]).
-import(erlang_peer, [span/1, law/2]).

%% Requests and replies are terms, copied. A fresh reference tells the answer from whatever else there is, and lets the receive
%% begin behind what was there before.
terms(Calls, Pairs) ->
    Self = self(),
    Each = (Calls + Pairs - 1) div Pairs,
    {Operations, Ns, Cpu, Callees} = span(fun() ->
        Callees = [begin
            Callee = spawn_link(fun() -> answer(0) end),
            spawn_link(fun() -> call_all(Callee, 0, Each), Self ! {called, Each} end),
            Callee
        end || _ <- lists:seq(1, Pairs)],
        Called = lists:sum([receive {called, N} -> N end || _ <- Callees]),
        {Called, Callees}
    end),
    Answered = lists:sum([begin C ! {stop, Self}, receive {answered, N} -> N end end || C <- Callees]),
    law(Answered =:= Operations, "json_call: calls got lost"),
    {Operations, Ns, Cpu, []}.

call_all(_, Each, Each) -> ok;
call_all(To, Id, Each) ->
    Ref = make_ref(),
    To ! {call, self(), Ref, #{op => <<"add">>, id => Id, args => [1, 2, 3], name => <<"abcdefghijklmnopqrstuvwx">>}},
    receive {Ref, Reply} -> #{id := Id, sum := 6} = Reply end,
    call_all(To, Id + 1, Each).

answer(Answered) ->
    receive
        {call, From, Ref, #{op := <<"add">>, id := Id, args := [A, B, C], name := Name}} when byte_size(Name) =:= 24 ->
            From ! {Ref, #{id => Id, sum => A + B + C}},
            answer(Answered + 1);
        {stop, Main} -> Main ! {answered, Answered}
    end.

%% Calls while 1,000 messages wait that are not the answer.
select(Calls) ->
    Other = spawn_link(fun next/0),
    wait_in_mailbox(fun() -> ask(Other, 0, Calls) end, Calls).

ask(_, Calls, Calls) -> ok;
ask(Other, I, Calls) ->
    Ref = make_ref(),
    Other ! {call, self(), Ref, I},
    receive {Ref, Answer} -> Answer = I + 1 end,
    ask(Other, I + 1, Calls).

next() -> receive {call, From, Ref, I} -> From ! {Ref, I + 1}, next() end.

%% Receives by turns with two patterns, behind 1,000 messages that match neither.
select_alternating(Receives) ->
    Self = self(),
    Other = spawn_link(fun() -> alternate(Self) end),
    wait_in_mailbox(fun() -> receive_all(Other, 0, Receives) end, Receives).

receive_all(_, Receives, Receives) -> ok;
receive_all(Other, I, Receives) ->
    Other ! I,
    case I rem 2 of
        0 -> receive {a, I} -> ok end;
        1 -> receive {b, I} -> ok end
    end,
    receive_all(Other, I + 1, Receives).

alternate(Main) ->
    receive
        I when I rem 2 =:= 0 -> Main ! {a, I};
        I -> Main ! {b, I}
    end,
    alternate(Main).

wait_in_mailbox(Work, Operations) ->
    Self = self(),
    [Self ! {noise, I} || I <- lists:seq(1, 1000)],
    Result = span(fun() -> Work(), Operations end),
    [receive {noise, N} -> N = I end || I <- lists:seq(1, 1000)],
    Result.
