//! `environments/NAME`: parents, inventory, variables, vault recipients, tag file.
