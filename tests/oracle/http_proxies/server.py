"""A server, one with TLS, and a proxy that writes down what it is asked; ends when told, or after two minutes."""
import http.client, http.server, os, select, socket, ssl, sys, threading

PLAIN, TLS, PROXY = 18981, 18982, 18983
log = open(sys.argv[1] + "/proxy.log", "a")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def say(self, status, body=b"", *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class Origin(Handler):
    def do_GET(self):
        if self.path == "/quit":
            self.say(200)
            threading.Thread(target=plain.shutdown).start()
        elif self.path == "/away":
            self.say(302, b"", ("Location", f"http://127.0.0.1:{PLAIN}/there"))
        else:
            self.say(200, f"{self.path} {self.headers.get('Proxy-Authorization')} {self.headers.get('X-Own')}".encode())


class Proxy(Handler):
    def told(self):
        log.write(f"{self.command} {self.path} {self.headers.get('Proxy-Authorization')}\n")
        log.flush()
        if self.path.split("/")[-1].startswith("locked") and not self.headers.get("Proxy-Authorization"):
            self.say(407, b"", ("Proxy-Authenticate", 'Basic realm="p"'))
            return True

    def do_GET(self):
        if self.told():
            return
        host, path = self.path[len("http://"):].split("/", 1)
        origin = http.client.HTTPConnection(host)
        origin.request("GET", "/" + path, headers={"X-Own": self.headers.get("X-Own", "")})
        answer = origin.getresponse()
        headers = [("Location", answer.getheader("Location"))] if answer.getheader("Location") else []
        self.say(answer.status, answer.read(), *headers)

    def do_CONNECT(self):
        if self.told():
            return
        if "forbidden" in self.path:
            return self.say(403)
        host, port = self.path.split(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            near = self.connection
            while True:
                for one in select.select([near, far], [], [], 20)[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (far if one is near else near).sendall(data)


plain = http.server.ThreadingHTTPServer(("127.0.0.1", PLAIN), Origin)
tls = http.server.ThreadingHTTPServer(("127.0.0.1", TLS), Origin)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2] + "/cert.pem", sys.argv[2] + "/key.pem")
tls.socket = context.wrap_socket(tls.socket, server_side=True)
proxy = http.server.ThreadingHTTPServer(("127.0.0.1", PROXY), Proxy)
for server in (tls, proxy):
    threading.Thread(target=server.serve_forever, daemon=True).start()
timer = threading.Timer(120, os._exit, [0])
timer.daemon = True
timer.start()
plain.serve_forever()
os._exit(0)
