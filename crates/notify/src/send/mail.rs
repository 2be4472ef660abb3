//! Mail through the operator's SMTP server (RFC 5321), with one-click unsubscribe (RFC 8058).
//!
//! Everything up to the text is asked for in one bounded phase: a failure there means that the
//! server does not have the mail. Once the text was sent, only the server's answer can tell.

use super::Outcome;
use crate::notifier::Job;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message as Composed};
use onrush_types::Timestamp;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Longest time for everything before the text.
const BEFORE_TEXT_MS_MAX: u64 = 8_000;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (port 465).
    Implicit,
    /// By STARTTLS, which must be offered (port 587).
    #[default]
    Starttls,
    /// Not at all: for a relay on this machine.
    None,
}

/// The operator's SMTP server.
pub struct MailServer {
    /// Its name, which its certificate must carry.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// User and password.
    pub login: Option<(String, Zeroizing<String>)>,
    /// Certificates in PEM that are trusted besides Mozilla's.
    pub roots: Option<Vec<u8>>,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailServer({}:{}, {:?})", self.host, self.port, self.tls)
    }
}

/// Tell whether `text` is a mailbox that mail can come from.
pub fn is_mailbox(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Sends mail.
pub struct MailSender {
    server: MailServer,
    tls: Option<TlsParameters>,
    from: Mailbox,
    hello: ClientId,
}

impl fmt::Debug for MailSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailSender({:?})", self.server)
    }
}

impl MailSender {
    /// Send through `server` as `from` (`Shop <drops@shop.example>`).
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new(server: MailServer, from: &str) -> Result<MailSender, String> {
        let wrong = "from: write a mailbox such as \"Shop <drops@shop.example>\"";
        let from: Mailbox = from.parse().map_err(|_| wrong.to_owned())?;
        let tls = match server.tls {
            MailTls::None => None,
            MailTls::Implicit | MailTls::Starttls => Some(tls_parameters(&server)?),
        };
        // The name a server may look up; the sender's domain is the one that is known to exist.
        let hello = ClientId::Domain(from.email.domain().to_owned());
        Ok(MailSender { server, tls, from, hello })
    }

    pub(super) async fn send(&self, job: &Job, mailbox: &str, now: Timestamp) -> Outcome {
        let Ok(to) = mailbox.parse::<Address>() else {
            return Outcome::Refused("the address is no mailbox");
        };
        let Ok(mail) = self.compose(job, to.clone(), now) else {
            return Outcome::Refused("the mail could not be written");
        };
        let most = Duration::from_millis(BEFORE_TEXT_MS_MAX);
        let prepared = match tokio::time::timeout(most, self.prepare(to)).await {
            Ok(prepared) => prepared,
            Err(_) => Err(Outcome::Later { after: None, why: "the mail server is slow" }),
        };
        let mut connection = match prepared {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let outcome = match connection.message(&mail.formatted()).await {
            Ok(_) => Outcome::Sent,
            Err(error) if error.is_transient() => later("the mail server put the mail off"),
            Err(error) if error.is_permanent() => {
                Outcome::Refused("the mail server refused the mail")
            }
            Err(_) => Outcome::Unknown("the connection broke after the mail's text"),
        };
        // Politeness; the outcome stands.
        let _ = tokio::time::timeout(Duration::from_secs(1), connection.quit()).await;
        outcome
    }

    /// Say everything but the text.
    async fn prepare(&self, to: Address) -> Result<AsyncSmtpConnection, Outcome> {
        let server = (self.server.host.as_str(), self.server.port);
        let first = self.tls.clone().filter(|_| self.server.tls == MailTls::Implicit);
        let unreached = |_: Error| later("the mail server was not reached");
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, first, None)
                .await
                .map_err(unreached)?;
        if let Some(tls) = self.tls.clone().filter(|_| self.server.tls == MailTls::Starttls) {
            connection.starttls(tls, &self.hello).await.map_err(|_| later("STARTTLS failed"))?;
        }
        if let Some((user, password)) = &self.server.login {
            let login = Credentials::new(user.clone(), password.to_string());
            let shown = connection.auth(DEFAULT_MECHANISMS, &login).await;
            shown.map_err(|_| later("the mail server refused the login"))?;
        }
        let from = Mail::new(Some(self.from.email.clone()), Vec::new());
        let taken = connection.command(from).await;
        taken.map_err(|_| later("the mail server refused the sender"))?;
        let taken = connection.command(Rcpt::new(to, Vec::new())).await;
        taken.map_err(|error| after_refusal(&error, "the mail server refused the address"))?;
        let ready = connection.command(Data).await;
        ready.map_err(|error| after_refusal(&error, "the mail server refused the mail"))?;
        Ok(connection)
    }

    fn compose(
        &self,
        job: &Job,
        to: Address,
        now: Timestamp,
    ) -> Result<Composed, lettre::error::Error> {
        let message = &job.message;
        let header = |name: &'static str, value: String| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
        };
        let id = format!("<{}@{}>", job.id, self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(message.subject.clone())
            .date(UNIX_EPOCH + Duration::from_millis(now.0))
            .message_id(Some(id))
            .raw_header(header("Content-Language", message.locale.as_str().to_owned()))
            .raw_header(header("List-Unsubscribe", format!("<{}>", message.unsubscribe)))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()))
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.clone())
    }
}

fn tls_parameters(server: &MailServer) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(server.host.clone())
        .certificate_store(CertificateStore::WebpkiRoots);
    if let Some(roots) = &server.roots {
        let root = Certificate::from_pem(roots).map_err(|error| format!("ca_file: {error}"))?;
        tls = tls.add_root_certificate(root);
    }
    tls.build_rustls().map_err(|error| format!("server: {error}"))
}

/// A permanent refusal is the end; anything else before the text may pass.
fn after_refusal(error: &Error, why: &'static str) -> Outcome {
    if error.is_permanent() { Outcome::Refused(why) } else { later(why) }
}

fn later(why: &'static str) -> Outcome {
    Outcome::Later { after: None, why }
}
