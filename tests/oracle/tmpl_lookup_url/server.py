"""Answers with what it was asked; ends after two minutes."""
import base64, http.server, json, os, threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "/lines")
            self.end_headers()
            return
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        login = self.headers.get("Authorization", "")
        if self.path.startswith("/private") and not login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        body = "one\ntwo\n\nthree {{ 1 + 1 }}\n"
        if self.path.startswith("/echo"):
            names = ["X-Test", "User-Agent", "Cache-Control", "Accept"]
            body = json.dumps({name: self.headers.get(name) for name in names})
        if self.path.startswith("/private"):
            body = base64.b64decode(login.split()[-1]).decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
        self.wfile.flush()
        if self.path.startswith("/quit"):
            # Behind the answer: the program ends with the loop.
            threading.Thread(target=server.shutdown).start()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 18976), Handler)
# Whatever still hangs on a connection: the next run needs the port.
timer = threading.Timer(120, os._exit, [0])
timer.daemon = True
timer.start()
server.serve_forever()
os._exit(0)
