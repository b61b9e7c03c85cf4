"""Both vendors as real HTTP servers on loopback, written from what is known of them and strict like them.

Nothing here imports a client, so a client's mistake can't hide in the server it is tested against.
Routes no public page documents (pipelines, agents, activity types, the account-wide conversation list)
are provisional: a test that passes on them is no evidence about the real API.
"""
