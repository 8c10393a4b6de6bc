"""How oracles reach each other: a server, a client and an outbox for the messages of `committee.messages`."""
