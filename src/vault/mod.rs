//! Vaults: hostctl's own age-sealed value files, and ansible-vault text.
