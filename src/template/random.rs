//! Python's `random.Random`: the Mersenne Twister with Python's seeding, so that a seed gives the
//! same choice as in Ansible. Without a seed the system's randomness is used.

use sha2::{Digest, Sha512};

use crate::value::Value;

use super::args::Call;
use super::cx::Cx;
use super::fail::{Fail, R};
use super::val::Val;

const N: usize = 624;

/// A source of random numbers.
pub struct Rng(Option<Box<Twister>>);

struct Twister {
    state: [u32; N],
    index: usize,
}

impl Twister {
    fn from_u32(seed: u32) -> Self {
        let mut state = [0_u32; N];
        state[0] = seed;
        for index in 1..N {
            let last = state[index - 1];
            #[expect(clippy::cast_possible_truncation, reason = "the index is below 624")]
            let add = index as u32;
            state[index] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(add);
        }
        Self { state, index: N }
    }

    fn from_key(key: &[u32]) -> Self {
        let mut this = Self::from_u32(19_650_218);
        let state = &mut this.state;
        let (mut i, mut j) = (1, 0);
        for _ in 0..N.max(key.len()) {
            let last = state[i - 1];
            #[expect(clippy::cast_possible_truncation, reason = "keys are short")]
            let add = key[j].wrapping_add(j as u32);
            state[i] = (state[i] ^ (last ^ (last >> 30)).wrapping_mul(1_664_525)).wrapping_add(add);
            i += 1;
            j += 1;
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
            if j >= key.len() {
                j = 0;
            }
        }
        for _ in 0..N - 1 {
            let last = state[i - 1];
            #[expect(clippy::cast_possible_truncation, reason = "the index is below 624")]
            let sub = i as u32;
            state[i] = (state[i] ^ (last ^ (last >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(sub);
            i += 1;
            if i >= N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        this
    }

    fn next(&mut self) -> u32 {
        if self.index >= N {
            for k in 0..N {
                let y = (self.state[k] & 0x8000_0000) | (self.state[(k + 1) % N] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[k] = self.state[(k + 397) % N] ^ (y >> 1) ^ odd;
            }
            self.index = 0;
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

impl Rng {
    /// Seeded as Python does it, or from the system.
    pub fn new(call: &Call, seed: Option<&Val>) -> R<Self> {
        let Some(seed) = seed else {
            // Passwords are made of this: without the system's randomness there is none.
            getrandom::u32().map_err(|error| Fail::msg(format!("the system gives no random numbers: {error}")))?;
            return Ok(Self(None));
        };
        // The number's bytes, most significant first.
        let bytes: Vec<u8> = match seed {
            Val::V(Value::Int(int)) => int.unsigned_abs().to_be_bytes().to_vec(),
            Val::V(Value::Bool(flag)) => vec![u8::from(*flag)],
            other => {
                let text = call.text(other)?;
                let mut bytes = text.as_bytes().to_vec();
                bytes.extend(Sha512::digest(text.as_bytes()));
                bytes
            }
        };
        let mut key: Vec<u32> =
            bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))).collect();
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        Ok(Self(Some(Box::new(Twister::from_key(&key)))))
    }

    fn bits(&mut self, count: u32) -> u64 {
        let mut word = || match &mut self.0 {
            Some(twister) => twister.next(),
            // It answered before, and what answered once does not end.
            None => loop {
                if let Ok(word) = getrandom::u32() {
                    break word;
                }
            },
        };
        if count <= 32 {
            return u64::from(word() >> (32 - count.max(1)));
        }
        let low = u64::from(word());
        let high = u64::from(word() >> (64 - count));
        low | (high << 32)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit <= 1 {
            if limit == 1 {
                // Python draws a bit even when there is no choice.
                while self.bits(1) >= 1 {}
            }
            return 0;
        }
        let count = 64 - limit.leading_zeros();
        loop {
            let found = self.bits(count);
            if found < limit {
                return found;
            }
        }
    }
}

/// Random text from an alphabet.
pub fn text(cx: &Cx, alphabet: &[char], len: usize, rng: &mut Rng) -> R<String> {
    if alphabet.is_empty() {
        return Err(Fail::msg("the set of characters is empty"));
    }
    cx.room_for_product(4, len)?;
    Ok((0..len)
        .filter_map(|_| usize::try_from(rng.below(alphabet.len() as u64)).ok().and_then(|at| alphabet.get(at)))
        .collect())
}
