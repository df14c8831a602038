//! Moves bytes to a host: exec, upload, duplex. Knows nothing of tasks.
