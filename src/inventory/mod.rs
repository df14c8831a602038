//! Hosts, groups and patterns from INI and YAML.
