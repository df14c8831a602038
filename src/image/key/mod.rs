//! The build key: what an image is made from, so that what has not changed is not built.
//!
//! Two builds with the same key give the same image as far as the inputs that hostctl sees go. In the key:
//!
//! - the Dockerfile's text. Only line ends are made equal; references to images of the set stand in it by the bare
//!   name of the parent, whatever the registry, prefix and tag of the run; the values of labels that tell when and from
//!   which commit an image was built (`org.opencontainers.image.created` and `.revision`, `build-date`, `vcs-ref`) are
//!   left out, since they differ in every run and change nothing else;
//! - each file, folder and link of the context after `.dockerignore`: path, kind, permission bits (the engine copies
//!   all of them, not only those for execution), content, target. Times and owners do not count: the context is sent
//!   with root as owner, and builders do not look at times;
//! - build arguments that the Dockerfile declares, `BASE_DISTRO` too. Proxies, which every Dockerfile takes undeclared,
//!   count only if they are declared: builders leave them out of their own caches otherwise. An argument that reaches
//!   nothing but the names of parents and bases (`ARG TAG` before the first `FROM`) does not count by itself, since
//!   those count; one that `RUN` can see counts even if its value is the run's tag;
//! - labels of the run and the image, less those of time and commit, and those whose value holds the run's tag;
//! - ids of secrets that the Dockerfile mounts, never their values;
//! - platform, target, network; not which builder is used;
//! - base images by digest, and parents of the set by their own keys, so that a new tag changes nothing.
//!
//! Outside of the key, since nobody can know it before the build: what `RUN` fetches, what `ADD https://..` finds.
//! [`Reuse::MaxAge`](super::Reuse) is for that.

mod args;
mod compute;
mod contents;
mod model;
mod text;

pub use compute::{Bases, Inputs, Keys, bases, compute, still};
pub use contents::Contents;
pub use model::{Key, concealed, difference};

#[cfg(test)]
mod property_tests;
