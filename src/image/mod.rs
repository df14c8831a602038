//! Image definitions, graph, schedule and tag file.
