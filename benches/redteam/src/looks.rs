//! What each kind of client sends, header for header in its order, on a POST of a page's script.
//!
//! The listener speaks HTTP/1.1 behind a proxy, so all that a TLS or HTTP/2 imitation can be here is
//! headers without a fault and the JA4 of the browser that is imitated, as the proxy would give it.

/// A client, by what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Chrome on a computer.
    Chrome,
    /// Chrome on a phone.
    ChromePhone,
    /// Safari on a phone: it says how to compress before it says who it is.
    Safari,
    /// An older Safari, without fetch metadata.
    OldSafari,
    /// Firefox.
    Firefox,
    /// The browser inside WeChat.
    WeChat,
    /// A browser whose scripts are off: a form, sent by navigation.
    NoScript,
    /// Python's requests.
    Requests,
    /// Go's standard client.
    Go,
    /// Nothing but what HTTP demands.
    Bare,
    /// Requests with the user agent and accept headers of Firefox.
    FirefoxCopy,
    /// Requests with the user agent of Chrome and without what came with it.
    ChromeCopy,
}

type Lines = &'static [(&'static str, &'static str)];

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
                      Gecko) Chrome/142.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 \
                       Firefox/144.0";

impl Look {
    /// Return the headers, in order.
    pub fn headers(self) -> Lines {
        match self {
            Look::Chrome => CHROME_LINES,
            Look::ChromePhone => CHROME_PHONE_LINES,
            Look::Safari => SAFARI_LINES,
            Look::OldSafari => OLD_SAFARI_LINES,
            Look::Firefox => FIREFOX_LINES,
            Look::WeChat => WECHAT_LINES,
            Look::NoScript => NO_SCRIPT_LINES,
            Look::Requests => &[
                ("User-Agent", "python-requests/2.32.5"),
                ("Accept-Encoding", "gzip, deflate"),
                ("Accept", "*/*"),
                ("Connection", "keep-alive"),
            ],
            Look::Go => &[("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip")],
            Look::Bare => &[],
            Look::FirefoxCopy => &[
                ("User-Agent", FIREFOX),
                ("Accept-Encoding", "gzip, deflate"),
                ("Accept", "*/*"),
                ("Accept-Language", "en-US,en;q=0.5"),
            ],
            Look::ChromeCopy => &[
                ("User-Agent", CHROME),
                ("Accept", "application/json"),
                ("Accept-Encoding", "gzip, deflate, br"),
                ("Accept-Language", "en-US,en;q=0.9"),
                ("Origin", "https://shop.example"),
                ("Referer", "https://shop.example/drop"),
            ],
        }
    }

    /// Return the JA4 that a proxy would give for it.
    pub fn ja4(self) -> &'static str {
        match self {
            Look::Chrome | Look::ChromePhone | Look::WeChat => {
                "t13d1516h2_8daaf6152771_d8a2da3f94cd"
            }
            Look::Safari | Look::OldSafari => "t13d2014h2_a09f3c656075_14788d8d241b",
            Look::Firefox | Look::NoScript => "t13d1715h2_5b57614c22b0_3d5424432f57",
            Look::Requests => "t13d1812h1_85036bcba153_b26ce05bbdd6",
            Look::Go => "t13d1311h2_f57a46bbacb6_ab7e3b40a677",
            Look::Bare | Look::FirefoxCopy | Look::ChromeCopy => {
                "t13d190900_9dc949149365_97f8aa674fd9"
            }
        }
    }
}

const CHROME_LINES: Lines = &[
    ("Connection", "keep-alive"),
    ("sec-ch-ua-platform", "\"Windows\""),
    ("User-Agent", CHROME),
    ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("Accept", "*/*"),
    ("Origin", "https://shop.example"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Dest", "empty"),
    ("Referer", "https://shop.example/drop"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-US,en;q=0.9"),
];

const CHROME_PHONE_LINES: Lines = &[
    ("Connection", "keep-alive"),
    ("sec-ch-ua-platform", "\"Android\""),
    (
        "User-Agent",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?1"),
    ("Accept", "*/*"),
    ("Origin", "https://shop.example"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Dest", "empty"),
    ("Referer", "https://shop.example/drop"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "zh-CN,zh;q=0.9"),
];

const SAFARI_LINES: Lines = &[
    ("Origin", "https://shop.example"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Connection", "keep-alive"),
    ("Sec-Fetch-Mode", "cors"),
    ("Accept", "*/*"),
    (
        "User-Agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
         Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    ),
    ("Referer", "https://shop.example/drop"),
    ("Sec-Fetch-Dest", "empty"),
    ("Accept-Language", "en-GB,en;q=0.9"),
];

const OLD_SAFARI_LINES: Lines = &[
    ("Origin", "https://shop.example"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Connection", "keep-alive"),
    ("Accept", "*/*"),
    (
        "User-Agent",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
         Gecko) Version/15.6 Mobile/15E148 Safari/604.1",
    ),
    ("Referer", "https://shop.example/drop"),
    ("Accept-Language", "en-GB,en;q=0.9"),
];

const FIREFOX_LINES: Lines = &[
    ("User-Agent", FIREFOX),
    ("Accept", "*/*"),
    ("Accept-Language", "de,en-US;q=0.7,en;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://shop.example/drop"),
    ("Origin", "https://shop.example"),
    ("Connection", "keep-alive"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-origin"),
];

const WECHAT_LINES: Lines = &[
    ("Connection", "keep-alive"),
    (
        "User-Agent",
        "Mozilla/5.0 (Linux; Android 14; V2244A) AppleWebKit/537.36 (KHTML, like Gecko) \
         Version/4.0 Chrome/134.0.6998.136 Mobile Safari/537.36 MicroMessenger/8.0.60",
    ),
    ("Accept", "*/*"),
    ("Origin", "https://shop.example"),
    ("X-Requested-With", "com.tencent.mm"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Dest", "empty"),
    ("Referer", "https://shop.example/drop"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Accept-Language", "zh-CN,zh;q=0.9,en-US;q=0.8"),
];

const NO_SCRIPT_LINES: Lines = &[
    ("User-Agent", FIREFOX),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Origin", "https://shop.example"),
    ("Connection", "keep-alive"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-User", "?1"),
];
