//! A notification as mail, by SMTP.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use weft_host::Secret;
use weft_manifest::node::NotifyMail;

use super::{PATIENCE, alerts::Change, subject};

pub(crate) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// `smtp://` is secured by STARTTLS, or refused, but on this machine; `smtps://` from the first byte.
    pub(crate) fn new(said: &NotifyMail, password: Option<Secret>) -> Result<Self, String> {
        let uri: http::Uri = said.server.parse().map_err(|error| format!("`server`: {error}"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("`server` names no host")?;
        let host = host.trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let tls = || TlsParameters::new(host.to_owned()).map_err(|error| format!("TLS: {error}"));
        let (tls, port) = match uri.scheme_str() {
            Some("smtps") => (Tls::Wrapper(tls()?), 465),
            Some("smtp") if here => (Tls::None, 25),
            Some("smtp") => (Tls::Required(tls()?), 587),
            _ => return Err("`server` begins with `smtp://` or `smtps://`".to_owned()),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(uri.port_u16().unwrap_or(port))
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let (Some(user), Some(password)) = (&said.user, password) {
            transport = transport.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
        }
        let address = |text: &String| text.parse().map_err(|error| format!("`{text}` is no address: {error}"));
        let to = said.to.iter().map(address).collect::<Result<_, _>>()?;
        Ok(Self { transport: transport.build(), from: address(&said.from)?, to })
    }

    pub(crate) async fn send(&self, change: &Change) -> Result<(), String> {
        let mut message = Message::builder().from(self.from.clone()).subject(format!("[weft] {}", subject(change)));
        // The same for every try: a server that took it before its answer was lost can tell.
        message = message.message_id(Some(format!("<{}@weft>", change.id)));
        // By it a reader's program puts the mails of one alert together.
        message = message.in_reply_to(format!("<{}@weft>", change.alert.replace('/', ".")));
        for to in &self.to {
            message = message.to(to.clone());
        }
        let message = message.body(text(change)).map_err(|error| error.to_string())?;
        self.transport.send(message).await.map(drop).map_err(|error| error.to_string())
    }
}

fn text(change: &Change) -> String {
    let standing = &change.standing;
    let burns: String = standing.burns.iter().map(|(window, rate)| format!("  {window}: {rate:.1}\n")).collect();
    format!(
        "{}\n\nObjective: {} in {}\nLeft of its budget: {:.1}%\nBurn rates (1 spends the budget exactly by its end):\n{burns}\n\
         Alert: {}\n",
        subject(change),
        standing.target,
        standing.window,
        standing.remaining * 100.0,
        change.alert,
    )
}
