//! What the commands do: a request in, events out; no terminal.
