//! The authenticating package-mirror proxy.
