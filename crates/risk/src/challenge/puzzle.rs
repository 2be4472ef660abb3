//! The time lock and the work puzzle.
//!
//! R. Rivest, A. Shamir, D. Wagner, "Time-lock puzzles and timed-release crypto", 1996: whoever does
//! not know the factors of `n` gets `g^(2^t) mod n` by `t` squarings only; whoever does, takes `2^t`
//! modulo `p-1` and `q-1` first. Factoring 1,024 bits costs more than any drop is worth, and the number
//! is thrown away after it.

use num_bigint::BigUint;
use sha2::{Digest, Sha256};

const PRIME_BYTES: usize = 64;

/// Rounds of Miller-Rabin: an error of 4^-24, less for random numbers.
const ROUNDS: usize = 24;

/// A modulus with its factors.
pub struct TimeLock {
    n: BigUint,
    p: BigUint,
    q: BigUint,
}

impl std::fmt::Debug for TimeLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TimeLock(…)")
    }
}

impl TimeLock {
    /// Make a modulus of 1,024 bits from random bytes.
    pub fn new(random: &mut dyn FnMut(&mut [u8])) -> TimeLock {
        let p = prime(random);
        let mut q = prime(random);
        while q == p {
            q = prime(random);
        }
        TimeLock { n: &p * &q, p, q }
    }

    /// Return the modulus, big-endian.
    pub fn modulus(&self) -> Vec<u8> {
        self.n.to_bytes_be()
    }

    /// Return the number to square for `seed`: 1,024 bits of SHA-256 in counter mode, below `n`.
    pub fn base(&self, seed: &[u8]) -> BigUint {
        let mut bytes = Vec::with_capacity(2 * PRIME_BYTES);
        for counter in 0u8..4 {
            bytes.extend_from_slice(
                &Sha256::new().chain_update([counter]).chain_update(seed).finalize(),
            );
        }
        BigUint::from_bytes_be(&bytes) % &self.n
    }

    /// Return `base^(2^squarings) mod n`, quickly.
    pub fn solve(&self, base: &BigUint, squarings: u32) -> BigUint {
        let (at_p, at_q) = (residue(base, squarings, &self.p), residue(base, squarings, &self.q));
        // Garner: x = at_q + q · ((at_p - at_q) / q mod p).
        let inverse = self.q.modpow(&(&self.p - 2u8), &self.p);
        let difference = (&self.p + &at_p - &at_q % &self.p) % &self.p;
        at_q + &self.q * (difference * inverse % &self.p)
    }

    /// Tell whether `answer` is `base^(2^squarings) mod n`.
    pub fn is_answer(&self, base: &BigUint, squarings: u32, answer: &BigUint) -> bool {
        answer < &self.n
            && answer % &self.p == residue(base, squarings, &self.p)
            && answer % &self.q == residue(base, squarings, &self.q)
    }
}

fn residue(base: &BigUint, squarings: u32, prime: &BigUint) -> BigUint {
    let exponent = BigUint::from(2u8).modpow(&BigUint::from(squarings), &(prime - 1u8));
    (base % prime).modpow(&exponent, prime)
}

/// Tell whether SHA-256 of `seed` and `answer` begins with `bits` zero bits.
pub fn is_work(seed: &[u8], answer: &[u8], bits: u32) -> bool {
    if answer.len() > 32 {
        return false;
    }
    let hash = Sha256::new().chain_update(seed).chain_update(answer).finalize();
    let mut zeros = 0;
    for byte in hash {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros >= bits
}

fn prime(random: &mut dyn FnMut(&mut [u8])) -> BigUint {
    loop {
        let mut bytes = [0; PRIME_BYTES];
        random(&mut bytes);
        // Both upper bits, so that the product has all its bits; odd.
        bytes[0] |= 0xc0;
        bytes[PRIME_BYTES - 1] |= 1;
        let mut candidate = BigUint::from_bytes_be(&bytes);
        // A random start and steps of two: near enough to uniform for a number that lives a day.
        for _ in 0..256 {
            if !has_small_factor(&candidate) && is_prime(&candidate, random) {
                return candidate;
            }
            candidate += 2u8;
        }
    }
}

fn has_small_factor(n: &BigUint) -> bool {
    const SMALL: [u32; 30] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127,
    ];
    let zero = BigUint::ZERO;
    SMALL.iter().any(|small| n % *small == zero)
}

/// Miller-Rabin with random bases.
fn is_prime(n: &BigUint, random: &mut dyn FnMut(&mut [u8])) -> bool {
    let one = BigUint::from(1u8);
    let less = n - 1u8;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    'rounds: for _ in 0..ROUNDS {
        let mut bytes = [0; PRIME_BYTES];
        random(&mut bytes);
        let base = BigUint::from_bytes_be(&bytes) % (n - 3u8) + 2u8;
        let mut x = base.modpow(&odd, n);
        if x == one || x == less {
            continue;
        }
        for _ in 1..twos {
            x = &x * &x % n;
            if x == less {
                continue 'rounds;
            }
        }
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn counter() -> impl FnMut(&mut [u8]) {
        let mut n = 0u64;
        move |bytes| {
            for chunk in bytes.chunks_mut(32) {
                n += 1;
                let hash = Sha256::digest(n.to_le_bytes());
                chunk.copy_from_slice(&hash[..chunk.len()]);
            }
        }
    }

    #[test]
    fn the_quick_way_gives_what_squaring_gives() {
        let lock = TimeLock::new(&mut counter());
        assert_eq!(lock.modulus().len(), 128);
        for squarings in [1, 2, 17, 300] {
            let base = lock.base(b"seed");
            let slow = (0..squarings).fold(base.clone(), |x, _| &x * &x % &lock.n);
            assert_eq!(lock.solve(&base, squarings), slow);
            assert!(lock.is_answer(&base, squarings, &slow));
            assert!(!lock.is_answer(&base, squarings + 1, &slow));
            assert!(!lock.is_answer(&base, squarings, &(&slow + &lock.n)), "one answer only");
        }
        assert_ne!(lock.base(b"seed"), lock.base(b"seee"));
    }

    #[test]
    fn primes_are_told_from_others() {
        let mut random = counter();
        let mersenne = (BigUint::from(1u8) << 521u32) - 1u8;
        assert!(is_prime(&mersenne, &mut random));
        let composite =
            ((BigUint::from(1u8) << 523u32) - 1u8, (BigUint::from(1u8) << 512u32) + 1u8);
        assert!(!is_prime(&composite.0, &mut random) && !is_prime(&composite.1, &mut random));
        // A Carmichael number.
        assert!(!is_prime(&BigUint::from(825_265u32), &mut random));
    }

    #[test]
    fn work_is_counted_in_bits() {
        let found = (0u32..).find(|n| is_work(b"seed", &n.to_le_bytes(), 10)).expect("some");
        assert!(!is_work(b"seed", &found.to_le_bytes(), 30));
        assert!(!is_work(b"other", &found.to_le_bytes(), 10));
        assert!(is_work(b"seed", b"", 0) && !is_work(b"seed", &[0; 33], 0));
    }
}
