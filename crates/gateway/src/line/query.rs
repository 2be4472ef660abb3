//! Queries and addresses: one parameter out, one parameter in, whose origin it is.
//!
//! Source: RFC 3986 §2.1, §3.4; the URL standard, *origin*.

/// Find a parameter of a query and decode it; the first one counts. `None` too when what is there
/// is not UTF-8.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::with_capacity(pair.len());
    let mut rest = pair.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' => b' ',
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Append a parameter to an address, before its fragment.
pub(crate) fn with_parameter(address: &str, name: &str, value: &str) -> String {
    let (address, fragment) = match address.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (address, None),
    };
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, query)) if query.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut out = format!("{address}{joint}{name}=");
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(fragment);
    }
    out
}

/// Leave a parameter out of an address.
pub(crate) fn without_parameter(address: &str, name: &str) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    let is_it = |pair: &&str| {
        pair.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_it(pair)).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// Tell whether an address belongs to one of these origins. Only plain addresses do: a browser must
/// not read another host in it than we do.
pub(crate) fn belongs_to(address: &str, origins: &[String]) -> bool {
    // Backslashes are slashes to browsers; control characters are left out by them.
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_plain
        && origins.iter().any(|origin| {
            address
                .strip_prefix(origin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
        })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        for value in ["", "a b&c=d?e#f%g/é五+", "https://shop.example/x?y=1&z=2"] {
            for address in ["/w", "/w?", "/w?a=b", "/w?a=b&", "/w#part", "/w?a=b#part"] {
                let address = with_parameter(address, "return", value);
                let query = address.split('#').next().and_then(|a| a.split_once('?'));
                let query = query.expect("a query").1;
                assert_eq!(parameter(query, "return").as_deref(), Some(value), "{address}");
                let without = without_parameter(&address, "return");
                assert!(!without.contains("return"), "{without}");
            }
        }
        assert_eq!(parameter("returns=1&a", "return"), None);
        assert_eq!(parameter("return=%", "return"), None);
        assert_eq!(parameter("return=%zz", "return"), None);
        assert_eq!(parameter("return=%ff", "return"), None, "not UTF-8");
        assert_eq!(without_parameter("/a?x=1&pass=2&passes=3", "pass"), "/a?x=1&passes=3");
    }

    #[test]
    fn an_address_belongs_to_its_own_origin_only() {
        let origins = ["https://shop.example".to_owned()];
        for good in ["https://shop.example", "https://shop.example/", "https://shop.example?a#b"] {
            assert!(belongs_to(good, &origins), "{good}");
        }
        for bad in [
            "",
            "//shop.example",
            "http://shop.example/",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "https://shop.example:8443/",
            "https://shop.example\\@evil.example/",
            "https://shop.example/\r\nset-cookie: a=b",
            "javascript:alert(1)",
            "https://evil.example/https://shop.example/",
        ] {
            assert!(!belongs_to(bad, &origins), "{bad}");
        }
    }
}
