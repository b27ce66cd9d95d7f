"""Servers that are compared: each a program that does the same with the same words.

A peer listens on a free port of 127.0.0.1 and writes its number. Clients connect to the namespace
`/notifications` with a token; they enter the rooms `user:<subject>` and `everyone`. Then each line
the peer reads is a command:

    broadcast   send one event to the room `everyone`
    user N      send one event to the room of user N
    users N     send one event to the room of each user from 0 to N - 1
    collect     collect garbage, then write a line

It ends when there is nothing more to read.

`publishing.mjs` is no such peer but a whole service, which is asked over HTTP like Notifier.
"""
