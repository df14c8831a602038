//! The engine's arm on a host: protocol, client, server.
