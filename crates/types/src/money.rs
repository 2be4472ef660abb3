//! Money in minor units. No floating point, no conversion between currencies.

use std::fmt;

/// An ISO 4217 code, or another three-letter code the shop uses for points.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Chinese yuan; minor unit: fen.
    pub const CNY: Currency = Currency(*b"CNY");

    /// Check that `code` is three upper-case ASCII letters.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(code: &str) -> Result<Currency, CurrencyError> {
        Currency::from_bytes(code.as_bytes().try_into().map_err(|_| CurrencyError)?)
    }

    /// Check three bytes, as read back from a journal.
    ///
    /// # Errors
    /// When one of them is not an upper-case ASCII letter.
    pub fn from_bytes(code: [u8; 3]) -> Result<Currency, CurrencyError> {
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Currency(code))
        } else {
            Err(CurrencyError)
        }
    }

    /// Return the three letters as bytes.
    pub const fn to_bytes(self) -> [u8; 3] {
        self.0
    }

    /// Return the three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A currency code that is not three upper-case ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrencyError;

impl fmt::Display for CurrencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a currency is three upper-case letters, such as CNY")
    }
}

impl std::error::Error for CurrencyError {}

/// An amount of one currency, in its minor unit (fen, cents, points).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// How many minor units; never negative where money changes hands.
    pub amount: i64,
    /// Which currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!(Currency::new("CNY").map(|c| c.to_string()), Ok("CNY".to_owned()));
        for bad in ["", "CN", "cny", "CNYX", "CN1", "¥"] {
            assert_eq!(Currency::new(bad), Err(CurrencyError), "{bad}");
        }
    }
}
