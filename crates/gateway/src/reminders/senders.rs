//! Senders from the configuration and its secret files.

use crate::config::{ConfigErrors, MailTls, NotifySection};
use crate::secrets::{read_secret, secret_error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onrush_notify::send::{self, Http, Reach, Senders, Target, Vapid};
use std::path::Path;
use zeroize::Zeroizing;

/// Read secrets and make the senders.
pub(super) fn load(section: &NotifySection) -> Result<Senders, ConfigErrors> {
    let roots = match &section.ca_file {
        Some(path) => Some(read_secret(path, "notify.ca_file")?),
        None => None,
    };
    let client = |reach| {
        let path = section.ca_file.clone().unwrap_or_default();
        Http::new(reach, roots.as_deref())
            .map_err(|problem| secret_error(&path, "notify.ca_file", &problem))
    };
    let reach = |private: bool| if private { Reach::Anywhere } else { Reach::Public };
    let wrong = |field: &str, problem: String| ConfigErrors::one("notify", field, problem);
    let mut senders = Senders::default();
    if let Some(mail) = &section.mail {
        senders.mail = Some(mail_sender(mail, roots.clone())?);
    }
    if let Some(push) = &section.push {
        let key = text(&push.key_file, "notify.push.key_file")?;
        let vapid = Vapid::new(&key, &push.subject)
            .map_err(|problem| wrong("notify.push", problem.to_owned()))?;
        let hosts = send::PushHosts(push.hosts.clone());
        let http = client(reach(push.allow_private))?;
        senders.push = Some(send::PushSender::new(http, vapid, hosts, push.allow_private));
    }
    if let Some(webhook) = &section.webhook {
        let target = Target::parse(&webhook.url)
            .map_err(|error| wrong("notify.webhook.url", error.to_string()))?;
        let secrets = webhook.secret_files.iter().map(|path| webhook_secret(path));
        let secrets = secrets.collect::<Result<_, _>>()?;
        let http = client(reach(webhook.allow_private))?;
        senders.webhook = Some(send::WebhookSender::new(http, target, secrets));
    }
    if let Some(wechat) = &section.wechat {
        let secret = text(&wechat.secret_file, "notify.wechat.secret_file")?;
        let template = send::WechatTemplate {
            id: wechat.template_id.clone(),
            page: wechat.app_page.clone(),
            fields: wechat.fields.clone().into_iter().collect(),
        };
        // The operator names the API; a buyer has no say in where it is.
        let http = client(Reach::Anywhere)?;
        let made = send::WechatSender::new(http, &wechat.api_url, &wechat.app_id, secret, template);
        let made = made.map_err(|error| wrong("notify.wechat.api_url", error.to_string()))?;
        senders.wechat = Some(made);
    }
    Ok(senders)
}

fn mail_sender(
    mail: &crate::config::MailSection,
    roots: Option<Vec<u8>>,
) -> Result<send::MailSender, ConfigErrors> {
    let wrong = |problem: String| ConfigErrors::one("notify", "notify.mail", problem);
    let (host, port) = mail.host_and_port().ok_or_else(|| {
        wrong("server: write name and port, such as smtp.shop.example:587".into())
    })?;
    let login = match (&mail.user, &mail.password_file) {
        (Some(user), Some(file)) => Some((user.clone(), text(file, "notify.mail.password_file")?)),
        _ => None,
    };
    let tls = match mail.tls {
        MailTls::Implicit => send::MailTls::Implicit,
        MailTls::Starttls => send::MailTls::Starttls,
        MailTls::None => send::MailTls::None,
    };
    let server = send::MailServer { host, port, tls, login, roots };
    send::MailSender::new(server, &mail.from).map_err(wrong)
}

fn text(path: &Path, field: &str) -> Result<Zeroizing<String>, ConfigErrors> {
    let bytes = read_secret(path, field)?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty());
    text.map(Zeroizing::new).ok_or_else(|| secret_error(path, field, "is empty or not text"))
}

/// Read a Standard Webhooks secret.
fn webhook_secret(path: &Path) -> Result<Vec<u8>, ConfigErrors> {
    let field = "notify.webhook.secret_files";
    let bytes = read_secret(path, field)?;
    let encoded = bytes.strip_prefix(b"whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    encoded.filter(|secret| secret.len() >= 24).ok_or_else(|| {
        let problem = "must be `whsec_` and base64 of at least 24 bytes: \
                       echo \"whsec_$(openssl rand -base64 32)\"";
        secret_error(path, field, problem)
    })
}
