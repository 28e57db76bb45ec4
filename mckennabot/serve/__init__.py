"""A run over HTTP: an OpenAI-compatible server, and a page to write in.

server  the process: socket, signals, limits of a connection       (connection)
guard   who may ask: host, origin, key, size                       -> app
app     the routes                                                 -> request, replies, answer
answer  one request from its place in the queue to its last byte   -> scheduler
scheduler  the thread that samples: which texts share a batch      -> generate's engine
catalogue  the models that can be asked for, in memory when they are
"""
