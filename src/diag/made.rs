//! Names of playbooks that nobody wrote: commands make them of their options.

/// `<image build ...>`, `<image plan ...>`: `hostctl image`.
pub const IMAGE: &str = "<image";
/// `<image build ...>`: `hostctl image build`.
pub const IMAGE_BUILD: &str = "<image build";
/// `<image plan ...>`: `hostctl image plan`.
pub const IMAGE_PLAN: &str = "<image plan";
/// `<attach RUN>`: `hostctl attach`.
pub const ATTACH: &str = "<attach";

/// True for a play that a command made of its options: it is no place to show.
pub fn is_made(name: &str) -> bool {
    name.starts_with(IMAGE) || name.starts_with(ATTACH)
}
