//! WeChat subscribe messages: one permission, one message.
//!
//! `POST /cgi-bin/stable_token` gives the access token (the stable one, so that the shop's other
//! systems keep theirs), `POST /cgi-bin/message/subscribe/send` the message. The answer is always
//! 200 with `errcode`; what each code means here is in [`judge`]. Source: WeChat Open Platform,
//! mini program server API, `subscribeMessage.send` and `getStableAccessToken`.

use super::Outcome;
use super::http::{Answered, Http, Post, Target, TargetError, judged};
use crate::notifier::Job;
use crate::text::Message;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use onrush_types::{DurationMs, Timestamp};
use serde_json::{Map, Value, json};
use std::fmt;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// A token is renewed this long before it ends.
const RENEW_MS: u64 = 5 * 60 * 1_000;

/// Characters in a `thing` field.
const THING_CHARS_MAX: usize = 20;

/// The operator's template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WechatTemplate {
    /// Its id.
    pub id: String,
    /// The mini program's page; `{campaign}` stands for the campaign's name.
    pub page: String,
    /// Its fields, such as `thing1`, and what they show: `{title}`, `{campaign}` and `{time}`.
    pub fields: Vec<(String, String)>,
}

/// Sends subscribe messages of one mini program.
pub struct WechatSender {
    http: Http,
    base: String,
    app_id: String,
    secret: Zeroizing<String>,
    template: WechatTemplate,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: Zeroizing<String>,
    ends_at: Timestamp,
}

impl fmt::Debug for WechatSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WechatSender({})", self.base)
    }
}

impl WechatSender {
    /// Send through the API at `base`, such as `https://api.weixin.qq.com`.
    ///
    /// # Errors
    /// When `base` is no address.
    pub fn new(
        http: Http,
        base: &str,
        app_id: &str,
        secret: Zeroizing<String>,
        template: WechatTemplate,
    ) -> Result<WechatSender, TargetError> {
        Target::parse(base)?;
        let base = base.trim_end_matches('/').to_owned();
        let (app_id, token) = (app_id.to_owned(), Mutex::new(None));
        Ok(WechatSender { http, base, app_id, secret, template, token })
    }

    pub(super) async fn send(&self, job: &Job, openid: &str, now: Timestamp) -> Outcome {
        // A token that was called back is refused clearly, so the second try repeats nothing.
        let mut renew = false;
        loop {
            let token = match self.token(now, renew).await {
                Ok(token) => token,
                Err(outcome) => return outcome,
            };
            let path = "/cgi-bin/message/subscribe/send?access_token=";
            let address = format!("{}{path}{}", self.base, *token);
            let body = self.body(&job.message, openid);
            let answered = match self.post(&address, &body).await {
                Ok(answered) => answered,
                Err(outcome) => return outcome,
            };
            match judge(&answered) {
                Verdict::Token if !renew => renew = true,
                Verdict::Token => return later("the access token is refused"),
                Verdict::Outcome(outcome) => return outcome,
            }
        }
    }

    fn body(&self, message: &Message, openid: &str) -> Value {
        let filled = |text: &str| {
            text.replace("{title}", &message.title)
                .replace("{campaign}", &message.campaign)
                .replace("{time}", &message.local)
        };
        let mut data = Map::new();
        for (field, text) in &self.template.fields {
            let mut value = filled(text);
            if field.starts_with("thing") {
                value = value.chars().take(THING_CHARS_MAX).collect();
            }
            data.insert(field.clone(), json!({"value": value}));
        }
        let lang = match message.locale {
            crate::Locale::Zh => "zh_CN",
            crate::Locale::En => "en_US",
        };
        json!({
            "touser": openid,
            "template_id": self.template.id,
            "page": filled(&self.template.page),
            "lang": lang,
            "data": data,
        })
    }

    /// Return a token that lives; one request for all who wait.
    async fn token(&self, now: Timestamp, renew: bool) -> Result<Zeroizing<String>, Outcome> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| !renew && now < token.ends_at) {
            return Ok(token.text.clone());
        }
        let body = json!({
            "grant_type": "client_credential",
            "appid": self.app_id,
            "secret": *self.secret,
            "force_refresh": renew,
        });
        let address = format!("{}/cgi-bin/stable_token", self.base);
        // Nothing about the buyer was sent yet, whatever breaks.
        let answered = self.post(&address, &body).await;
        let answered = answered.map_err(|_| later("no access token: the API was not reached"))?;
        let answer: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let text = answer["access_token"].as_str().ok_or_else(|| later("no access token"))?;
        let lives = answer["expires_in"].as_u64().unwrap_or(0);
        let lives = DurationMs(DurationMs::from_secs(lives).0.saturating_sub(RENEW_MS));
        let text = Zeroizing::new(text.to_owned());
        *held = Some(Token { text: text.clone(), ends_at: now + lives });
        Ok(text)
    }

    async fn post(&self, address: &str, body: &Value) -> Result<Answered, Outcome> {
        let wrong = Outcome::Refused("the API's address cannot be requested");
        let target = Target::parse(address).map_err(|_| wrong)?;
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let post = Post { method: Method::POST, headers, body: body.to_string().into() };
        self.http.send(&target, post).await
    }
}

enum Verdict {
    /// The token is not good any more.
    Token,
    Outcome(Outcome),
}

/// Read `errcode`.
fn judge(answered: &Answered) -> Verdict {
    if !answered.status.is_success() {
        return Verdict::Outcome(judged(answered));
    }
    let answer: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    let outcome = match answer["errcode"].as_i64() {
        Some(0) => Outcome::Sent,
        Some(40_001 | 40_014 | 42_001) => return Verdict::Token,
        Some(43_101) => Outcome::Refused("the user did not permit a message"),
        Some(40_003) => Outcome::Refused("the openid is not of this mini program"),
        Some(40_037) => Outcome::Refused("the template's id is wrong"),
        Some(47_003) => Outcome::Refused("the template's fields are wrong"),
        Some(-1 | 45_009 | 45_011) => later("the API is busy"),
        Some(_) => Outcome::Refused("the API refused the message"),
        None => Outcome::Unknown("the API's answer does not read"),
    };
    Verdict::Outcome(outcome)
}

fn later(why: &'static str) -> Outcome {
    Outcome::Later { after: None, why }
}
