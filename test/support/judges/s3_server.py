# An S3 server on a free port of this machine, which it prints. One request at a time: moto looks at a condition and then puts,
# and two threads could both find it true.
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

server = make_server(
    "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), request_handler=MotoRequestHandler
)
print(server.server_port, flush=True)
server.serve_forever()
