//! Digests of content, in hex, under the names that Ansible's modules use.

use std::io::{ErrorKind, Read, Result};

/// Digests that modules offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A digest being made.
pub enum Hasher {
    /// MD5.
    Md5(md5::Md5),
    /// SHA-1.
    Sha1(sha1::Sha1),
    /// SHA-224.
    Sha224(sha2::Sha224),
    /// SHA-256.
    Sha256(sha2::Sha256),
    /// SHA-384.
    Sha384(sha2::Sha384),
    /// SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// An empty one.
    pub fn new(digest: Digest) -> Self {
        match digest {
            Digest::Md5 => Self::Md5(md5::Md5::default()),
            Digest::Sha1 => Self::Sha1(sha1::Sha1::default()),
            Digest::Sha224 => Self::Sha224(sha2::Sha224::default()),
            Digest::Sha256 => Self::Sha256(sha2::Sha256::default()),
            Digest::Sha384 => Self::Sha384(sha2::Sha384::default()),
            Digest::Sha512 => Self::Sha512(sha2::Sha512::default()),
        }
    }

    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        use sha2::Digest as _;
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha224(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest in hex.
    pub fn finish(self) -> String {
        use sha2::Digest as _;
        match self {
            Self::Md5(hasher) => hex::encode(hasher.finalize()),
            Self::Sha1(hasher) => hex::encode(hasher.finalize()),
            Self::Sha224(hasher) => hex::encode(hasher.finalize()),
            Self::Sha256(hasher) => hex::encode(hasher.finalize()),
            Self::Sha384(hasher) => hex::encode(hasher.finalize()),
            Self::Sha512(hasher) => hex::encode(hasher.finalize()),
        }
    }

    /// The digest of bytes.
    pub fn of(digest: Digest, bytes: &[u8]) -> String {
        let mut hasher = Self::new(digest);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Several digests of what a reader gives, read once in parts, and its bytes.
    pub fn of_all<const COUNT: usize>(
        digests: [Digest; COUNT],
        mut reader: impl Read,
    ) -> Result<([String; COUNT], u64)> {
        Self::copy(digests, &mut reader, |_| Ok(()))
    }

    /// The same, and each part is given on.
    pub fn copy<const COUNT: usize>(
        digests: [Digest; COUNT],
        reader: &mut dyn Read,
        mut part: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<([String; COUNT], u64)> {
        let mut hashers = digests.map(Self::new);
        let mut buffer = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((hashers.map(Self::finish), size)),
                Ok(count) => {
                    hashers.iter_mut().for_each(|hasher| hasher.update(&buffer[..count]));
                    part(&buffer[..count])?;
                    size += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        assert_eq!(Hasher::of(Digest::Sha1, b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(Hasher::of(Digest::Md5, b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        // More than one part.
        let long = vec![7; 300_000];
        let ([sha1, md5], size) = Hasher::of_all([Digest::Sha1, Digest::Md5], &long[..]).unwrap();
        assert_eq!((sha1, md5, size), (Hasher::of(Digest::Sha1, &long), Hasher::of(Digest::Md5, &long), 300_000));
    }
}
