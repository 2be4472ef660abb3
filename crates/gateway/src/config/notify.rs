//! `[notify]`: reminders before a sale, and the channels they go by.

use super::fields::Span;
use onrush_notify::send::Target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Attempts a second at most; more is a mail flood.
const PER_SECOND_MAX: u32 = 1_000;

/// Bytes of the page's address in a reminder.
const PAGE_BYTES_MAX: usize = 500;

/// `[notify]`: when and how fast reminders go, and what their links are made of.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifySection {
    /// How long before the start.
    pub lead: Span,
    /// Attempts a second, over all channels.
    pub per_second: u32,
    /// How long after its first attempt a reminder is given up; never after the start.
    pub give_up: Span,
    /// The drop page; `{campaign}` stands for the campaign's name. Required with a channel.
    pub page: Option<String>,
    /// Where the public listener is reached from outside, for unsubscribe links. Required with a
    /// channel.
    pub public_url: Option<String>,
    /// Give reminded buyers their place in line beforehand: the link of the reminder opens `page` with
    /// the ticket. Only in lines where everybody's place is the same, without tiers and hook.
    pub tickets: bool,
    /// The offset in which times are written.
    pub utc_offset: UtcOffset,
    /// Certificates in PEM that are trusted besides Mozilla's.
    pub ca_file: Option<PathBuf>,
    /// Mail.
    pub mail: Option<MailSection>,
    /// Web Push.
    pub push: Option<PushSection>,
    /// The shop's own system.
    pub webhook: Option<WebhookSection>,
    /// WeChat subscribe messages.
    pub wechat: Option<WechatSection>,
}

impl Default for NotifySection {
    fn default() -> NotifySection {
        NotifySection {
            lead: Span::secs(600),
            per_second: 50,
            give_up: Span::secs(600),
            page: None,
            public_url: None,
            tickets: false,
            utc_offset: UtcOffset(480),
            ca_file: None,
            mail: None,
            push: None,
            webhook: None,
            wechat: None,
        }
    }
}

/// `[notify.mail]`: an SMTP server.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailSection {
    /// Name and port; the certificate must carry the name.
    pub server: String,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: MailTls,
    /// Who writes: `Shop <drops@shop.example>`.
    pub from: String,
    /// The login's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The login's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// How mail travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// From the first byte (port 465).
    Implicit,
    /// By STARTTLS, which must be offered (port 587).
    #[default]
    Starttls,
    /// Not at all: for a relay on this machine.
    None,
}

/// `[notify.push]`: Web Push.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushSection {
    /// The private VAPID key: 32 bytes in base64url.
    pub key_file: PathBuf,
    /// Where a push service reaches you: `mailto:` or `https:`.
    pub subject: String,
    /// Push services that may be posted to; those of the known browsers when left out.
    #[serde(default = "known_hosts")]
    pub hosts: Vec<String>,
    /// Private addresses, plain http and any port too: for tests.
    #[serde(default)]
    pub allow_private: bool,
}

fn known_hosts() -> Vec<String> {
    onrush_notify::send::PushHosts::default().0
}

/// `[notify.webhook]`: the shop's own system.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Where reminders are posted.
    pub url: String,
    /// Secrets that sign them; several while one is being replaced.
    pub secret_files: Vec<PathBuf>,
    /// Private addresses too: for a receiver in your own network.
    #[serde(default)]
    pub allow_private: bool,
}

/// `[notify.wechat]`: subscribe messages of a mini program.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WechatSection {
    /// The mini program.
    pub app_id: String,
    /// Its secret.
    pub secret_file: PathBuf,
    /// The message's template.
    pub template_id: String,
    /// The page it opens; `{campaign}` stands for the campaign's name.
    pub app_page: String,
    /// The template's fields and what they show: `{title}`, `{campaign}`, `{time}`.
    pub fields: BTreeMap<String, String>,
    /// The API.
    #[serde(default = "api_url")]
    pub api_url: String,
}

fn api_url() -> String {
    "https://api.weixin.qq.com".to_owned()
}

/// Minutes east of UTC, written `+08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcOffset(pub i32);

impl<'de> Deserialize<'de> for UtcOffset {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<UtcOffset, D::Error> {
        let text = String::deserialize(source)?;
        let read = || {
            let (sign, rest) = match text.as_bytes().first()? {
                b'+' => (1, &text[1..]),
                b'-' => (-1, &text[1..]),
                _ => return None,
            };
            let (hours, minutes) = rest.split_once(':')?;
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            if !digits(hours) || !digits(minutes) {
                return None;
            }
            let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours <= 14 && minutes < 60).then_some(UtcOffset(sign * (hours * 60 + minutes)))
        };
        let wrong = || serde::de::Error::custom("expected an offset from UTC, such as \"+08:00\"");
        read().ok_or_else(wrong)
    }
}

impl Serialize for UtcOffset {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let (sign, minutes) = (if self.0 < 0 { '-' } else { '+' }, self.0.abs());
        out.collect_str(&format_args!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
    }
}

impl MailSection {
    /// Return the server's name and port.
    pub(crate) fn host_and_port(&self) -> Option<(String, u16)> {
        let (host, port) = self.server.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
        let fits = !host.is_empty() && host.bytes().all(plain);
        fits.then(|| (host.trim_matches(['[', ']']).to_owned(), port))
    }
}

impl NotifySection {
    /// Tell whether any channel is configured.
    pub fn has_channel(&self) -> bool {
        self.mail.is_some()
            || self.push.is_some()
            || self.webhook.is_some()
            || self.wechat.is_some()
    }

    /// Return every path in it.
    pub(super) fn files(&mut self) -> Vec<&mut PathBuf> {
        let mut files: Vec<&mut PathBuf> = self.ca_file.iter_mut().collect();
        files.extend(self.mail.iter_mut().flat_map(|mail| &mut mail.password_file));
        files.extend(self.push.iter_mut().map(|push| &mut push.key_file));
        files.extend(self.webhook.iter_mut().flat_map(|webhook| &mut webhook.secret_files));
        files.extend(self.wechat.iter_mut().map(|wechat| &mut wechat.secret_file));
        files
    }

    /// Check what one field alone cannot tell: fields, and what to write instead.
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut say = |field, problem: &str| wrong.push((field, problem.to_owned()));
        if !(1..=PER_SECOND_MAX).contains(&self.per_second) {
            say("notify.per_second", "1 to 1000 attempts a second");
        }
        if self.lead.0.0 < 1_000 || self.lead.0.0 > 7 * 24 * 3_600 * 1_000 {
            say("notify.lead", "must be between 1s and 7d");
        }
        if self.has_channel() {
            let page = self.page.as_deref().filter(|page| page.len() <= PAGE_BYTES_MAX);
            if page.is_none_or(|page| Target::parse(&page.replace("{campaign}", "x")).is_err()) {
                say(
                    "notify.page",
                    "write the drop page's address, such as \
                     https://shop.example/drops/{campaign}; reminders lead there",
                );
            }
            if self.public_url.as_deref().is_none_or(|url| !super::load::is_origin(url)) {
                say(
                    "notify.public_url",
                    "write where buyers reach the public side, such as \
                     https://drop.shop.example, without a path; unsubscribe links lead there",
                );
            }
        }
        self.check_channels(&mut say);
        wrong
    }

    fn check_channels(&self, say: &mut impl FnMut(&'static str, &str)) {
        if let Some(mail) = &self.mail {
            if mail.host_and_port().is_none() {
                say("notify.mail.server", "write name and port, such as smtp.shop.example:587");
            }
            if !onrush_notify::send::is_mailbox(&mail.from) {
                say("notify.mail.from", "write a mailbox, such as \"Shop <drops@shop.example>\"");
            }
            if mail.user.is_some() != mail.password_file.is_some() {
                say("notify.mail.user", "a login has both `user` and `password_file`, or neither");
            }
        }
        if let Some(push) = &self.push {
            let bad = |host: &String| {
                host.is_empty() || *host != host.to_ascii_lowercase() || host.contains('/')
            };
            if push.hosts.is_empty() || push.hosts.iter().any(bad) {
                say(
                    "notify.push.hosts",
                    "list hosts in lower case, such as fcm.googleapis.com or \
                     *.push.apple.com; leave it out for the known browsers",
                );
            }
        }
        if let Some(webhook) = &self.webhook {
            if Target::parse(&webhook.url).is_err() {
                say("notify.webhook.url", "write an absolute address, without a login in it");
            }
            if webhook.secret_files.is_empty() {
                say("notify.webhook.secret_files", "name at least one file");
            }
        }
        if let Some(wechat) = &self.wechat {
            if !super::load::is_origin(&wechat.api_url) {
                say("notify.wechat.api_url", "write an origin such as https://api.weixin.qq.com");
            }
            if wechat.fields.is_empty() {
                say(
                    "notify.wechat.fields",
                    "name the template's fields, such as \
                     { thing1 = \"{title}\", time2 = \"{time}\" }",
                );
            }
        }
    }

    /// Tell what is allowed and probably wrong.
    pub(super) fn dangers(&self, say: &mut impl FnMut(&str, String)) {
        let plain =
            |url: &Option<String>| url.as_deref().is_some_and(|url| url.starts_with("http:"));
        if self.has_channel() && self.lead.0.0 < 60_000 {
            let text = "is less than a minute: mail is often slower, and a retry may be too late";
            say("notify.lead", text.to_owned());
        }
        if self.has_channel() && (plain(&self.page) || plain(&self.public_url)) {
            let text = "is not https: what a reminder leads to can be changed on the way";
            say("notify.public_url", text.to_owned());
        }
        let host = self.mail.as_ref().and_then(MailSection::host_and_port).map(|(host, _)| host);
        let is_local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "::1");
        let is_plain = self.mail.as_ref().is_some_and(|mail| mail.tls == MailTls::None);
        if is_plain && host.is_some_and(|host| !is_local(&host)) {
            let text = "is \"none\": addresses and the password travel unprotected";
            say("notify.mail.tls", text.to_owned());
        }
        if self.push.as_ref().is_some_and(|push| push.allow_private) {
            let text = "lets buyers make this machine post into your own network; only for tests";
            say("notify.push.allow_private", text.to_owned());
        }
        if self.webhook.as_ref().is_some_and(|webhook| webhook.url.starts_with("http:")) {
            let text = "is not https: customers' references travel unprotected";
            say("notify.webhook.url", text.to_owned());
        }
    }
}
