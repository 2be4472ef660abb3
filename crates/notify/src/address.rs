//! Where a reminder goes: checked once at the edge, trusted afterwards.
//!
//! Nothing here shows an address: [`Debug`] names the channel only, and errors say what is wrong in
//! words that do not repeat the input.

use crate::limits::{ADDRESS_BYTES_MAX, REFERENCE_BYTES_MAX};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use zeroize::Zeroize;

/// A way to reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// The shop's own system, which tells its customer.
    Webhook = 0,
    /// Web Push (RFC 8030).
    Push = 1,
    /// E-mail.
    Mail = 2,
    /// A WeChat subscribe message.
    Wechat = 3,
}

impl Channel {
    /// Every channel, in the order of its number.
    pub const ALL: [Channel; 4] = [Channel::Webhook, Channel::Push, Channel::Mail, Channel::Wechat];

    /// Return its name in requests and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Push => "push",
            Channel::Mail => "mail",
            Channel::Wechat => "wechat",
        }
    }

    /// Find a channel by its name.
    pub fn named(text: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    pub(crate) fn numbered(number: u8) -> Option<Channel> {
        Channel::ALL.get(usize::from(number)).copied()
    }
}

/// The language a reminder is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Locale {
    /// Chinese, simplified.
    #[default]
    Zh = 0,
    /// English.
    En = 1,
}

impl Locale {
    /// Find a language by its tag; regions and scripts are ignored (`zh-CN` is `zh`).
    pub fn tagged(tag: &str) -> Option<Locale> {
        match tag.split('-').next().unwrap_or_default() {
            "zh" => Some(Locale::Zh),
            "en" => Some(Locale::En),
            _ => None,
        }
    }

    /// Return its tag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Locale::Zh => "zh",
            Locale::En => "en",
        }
    }

    pub(crate) fn numbered(number: u8) -> Option<Locale> {
        [Locale::Zh, Locale::En].get(usize::from(number)).copied()
    }
}

/// Where a reminder goes. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// What the shop knows the buyer by.
    Webhook(String),
    /// A browser's push subscription.
    Push(Subscription),
    /// A mailbox.
    Mail(String),
    /// A user of the shop's mini program.
    Wechat(String),
}

/// A browser's push subscription (W3C Push API): where to post, and the keys that encrypt for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The push service's resource for this browser.
    pub endpoint: String,
    /// The browser's P-256 key, an uncompressed point.
    pub p256dh: [u8; 65],
    /// The browser's authentication secret.
    pub auth: [u8; 16],
}

impl Address {
    /// Check a mailbox: one `local@domain` in ASCII, as SMTP carries it without extensions.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn mail(text: &str) -> Result<Address, AddressError> {
        let wrong = AddressError("write one mail address, such as ann@shop.example");
        let (local, domain) = text.rsplit_once('@').ok_or(wrong)?;
        let is_local = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
        let is_domain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        let fits = (1..=64).contains(&local.len())
            && local.bytes().all(is_local)
            && !dots(local)
            && (3..=253).contains(&domain.len())
            && domain.bytes().all(is_domain)
            && domain.split('.').all(|label| {
                (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
            })
            && domain.contains('.');
        if fits { Ok(Address::Mail(text.to_owned())) } else { Err(wrong) }
    }

    /// Check a WeChat openid.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn wechat(text: &str) -> Result<Address, AddressError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (16..=REFERENCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        let wrong = AddressError("send the openid that the mini program's login gave");
        if fits { Ok(Address::Wechat(text.to_owned())) } else { Err(wrong) }
    }

    /// Check the reference by which the shop knows the buyer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn webhook(text: &str) -> Result<Address, AddressError> {
        let fits =
            (1..=REFERENCE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        let wrong = AddressError("1 to 128 bytes by which the shop knows the buyer");
        if fits { Ok(Address::Webhook(text.to_owned())) } else { Err(wrong) }
    }

    /// Check a push subscription; `p256dh` and `auth` in base64url, as browsers give them.
    ///
    /// # Errors
    /// What is wrong with it. Whether the host may be posted to is the sender's question.
    pub fn push(endpoint: &str, p256dh: &str, auth: &str) -> Result<Address, AddressError> {
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let point = decoded(p256dh).and_then(|bytes| <[u8; 65]>::try_from(bytes).ok());
        let wrong = AddressError("p256dh: the subscription's P-256 key in base64url");
        let p256dh = point.ok_or(wrong)?;
        p256::PublicKey::from_sec1_bytes(&p256dh).map_err(|_| wrong)?;
        let auth = decoded(auth).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let auth = auth.ok_or(AddressError("auth: the subscription's 16 bytes in base64url"))?;
        let most = ADDRESS_BYTES_MAX - 65 - 16;
        let is_url = endpoint.starts_with("https://") || endpoint.starts_with("http://");
        if !is_url || endpoint.len() > most || !endpoint.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AddressError("endpoint: the subscription's https address, whole"));
        }
        Ok(Address::Push(Subscription { endpoint: endpoint.to_owned(), p256dh, auth }))
    }

    /// Return the channel it belongs to.
    pub fn channel(&self) -> Channel {
        match self {
            Address::Webhook(_) => Channel::Webhook,
            Address::Push(_) => Channel::Push,
            Address::Mail(_) => Channel::Mail,
            Address::Wechat(_) => Channel::Wechat,
        }
    }

    /// Write it for sealing.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Address::Webhook(text) | Address::Mail(text) | Address::Wechat(text) => {
                text.as_bytes().to_vec()
            }
            Address::Push(push) => {
                let mut bytes = Vec::with_capacity(65 + 16 + push.endpoint.len());
                bytes.extend_from_slice(&push.p256dh);
                bytes.extend_from_slice(&push.auth);
                bytes.extend_from_slice(push.endpoint.as_bytes());
                bytes
            }
        }
    }

    /// Read back what [`encode`](Address::encode) wrote.
    pub(crate) fn decode(channel: Channel, bytes: &[u8]) -> Option<Address> {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(match channel {
            Channel::Webhook => Address::Webhook(text(bytes)?),
            Channel::Mail => Address::Mail(text(bytes)?),
            Channel::Wechat => Address::Wechat(text(bytes)?),
            Channel::Push => {
                let (p256dh, rest) = bytes.split_first_chunk()?;
                let (auth, endpoint) = rest.split_first_chunk()?;
                let endpoint = text(endpoint)?;
                Address::Push(Subscription { endpoint, p256dh: *p256dh, auth: *auth })
            }
        })
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        match self {
            Address::Webhook(text) | Address::Mail(text) | Address::Wechat(text) => text.zeroize(),
            Address::Push(push) => push.endpoint.zeroize(),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, …)", self.channel().as_str())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(…)")
    }
}

/// What is wrong with an address, and what to send instead. Never the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError(pub &'static str);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_one_plain_address() {
        let long = format!("{}@shop.example", "a".repeat(64));
        for good in ["ann@shop.example", "a.b+c@x-y.example", "o'neil@sub.shop.example", &long] {
            assert!(Address::mail(good).is_ok(), "{good}");
        }
        let longer = format!("{}@shop.example", "a".repeat(65));
        for bad in [
            "",
            "ann",
            "@shop.example",
            "ann@",
            "ann@shop",
            "a b@shop.example",
            "a@@shop.example",
            "ann@shop.example\r\nBcc: x@y.example",
            "ann@shop.example,ben@shop.example",
            "<ann@shop.example>",
            ".a@shop.example",
            "a..b@shop.example",
            "a@-shop.example",
            "a@shop..example",
            "安@shop.example",
            "a@[127.0.0.1]",
            &longer,
        ] {
            assert!(Address::mail(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_subscription_has_a_point_on_the_curve() {
        let key = p256::SecretKey::from_slice(&[7; 32]).expect("in range").public_key();
        let point = URL_SAFE_NO_PAD.encode(key.to_sec1_bytes());
        let auth = URL_SAFE_NO_PAD.encode([1; 16]);
        let made = Address::push("https://push.example/x", &point, &auth).expect("valid");
        assert_eq!(Address::decode(Channel::Push, &made.encode()), Some(made.clone()));
        assert!(!format!("{made:?}").contains("push.example"));
        let off = URL_SAFE_NO_PAD.encode([4; 65]);
        assert!(Address::push("https://push.example/x", &off, &auth).is_err());
        assert!(Address::push("https://push.example/x", &point, "AAAA").is_err());
        for bad in ["ftp://x", "https://a b", "", "https://ä.example/"] {
            assert!(Address::push(bad, &point, &auth).is_err(), "{bad}");
        }
        let long = format!("https://push.example/{}", "x".repeat(ADDRESS_BYTES_MAX));
        assert!(Address::push(&long, &point, &auth).is_err());
    }

    #[test]
    fn an_openid_and_a_reference_have_their_shape() {
        assert!(Address::wechat("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").is_ok());
        assert!(Address::wechat("o").is_err() && Address::wechat("oUpF8uMuAJO M2pxb1Q9").is_err());
        assert!(Address::webhook("customer 7").is_ok());
        assert!(Address::webhook("").is_err() && Address::webhook("a\nb").is_err());
        assert!(Address::webhook(&"x".repeat(129)).is_err());
    }
}
