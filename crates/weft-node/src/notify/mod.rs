//! Who is told when a service level burns, and when it no longer does: by webhook or by mail.
//!
//! ```text
//! every second: how all objectives stand ─► alerts (what is new) ─► a queue for each receiver ─► its own task, with retries
//! ```
//!
//! A receiver that is down fills its own queue of 64 and then misses some, which is counted and logged. Nothing waits for it.

mod alerts;
mod mail;
mod webhook;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};
use weft_manifest::node::{NotifyTo, NotifyWay};
use weft_traffic::slo::Severity;

pub(crate) use self::alerts::Standing;
use self::{
    alerts::{Alerts, Change, State},
    mail::Mail,
    webhook::Webhook,
};
use crate::{
    levels,
    node::Node,
    secrets::{SecretError, Secrets},
};

const EVERY: Duration = Duration::from_secs(1);
const QUEUE_MAX: usize = 64;
/// Tries of one message, and the first wait between them; it doubles.
const TRIES: u32 = 8;
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Of one try.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why somebody cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("`notify.{name}` in node.toml: {why}")]
pub struct NotifyError {
    name: String,
    why: String,
}

/// One who is told, ready to be.
pub(crate) struct Receiver {
    name: String,
    least: Severity,
    way: Way,
}

#[allow(clippy::large_enum_variant, reason = "there are few, and each is made once")]
enum Way {
    Webhook(Webhook),
    Mail(Box<Mail>),
}

/// The receivers of a node.toml, with their secrets.
pub(crate) fn receivers(to: &[NotifyTo], secrets: &Secrets) -> Result<Vec<Receiver>, NotifyError> {
    let one = |to: &NotifyTo| {
        let wrong = |why: String| NotifyError { name: to.name.clone(), why };
        let secret = |text: &String| secrets.setting(text).map_err(|error: SecretError| wrong(error.to_string()));
        let way = match &to.way {
            NotifyWay::Webhook { url, secret: key } => {
                let key = key.as_ref().map(secret).transpose()?;
                Way::Webhook(Webhook::new(url, key).map_err(wrong)?)
            }
            NotifyWay::Mail(mail) => {
                let password = mail.password.as_ref().map(secret).transpose()?;
                Way::Mail(Box::new(Mail::new(mail, password).map_err(wrong)?))
            }
        };
        let least = if to.pages_only { Severity::Page } else { Severity::Ticket };
        Ok(Receiver { name: to.name.clone(), least, way })
    };
    to.iter().map(one).collect()
}

/// Runs for as long as the node lives. The first task watches, the others tell.
pub(crate) fn start(node: &Arc<Node>, receivers: Vec<Receiver>) -> Vec<JoinHandle<()>> {
    if receivers.is_empty() {
        return Vec::new();
    }
    let mut tasks = Vec::new();
    let mut queues = Vec::new();
    for receiver in receivers {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        queues.push((receiver.name.clone(), receiver.least, queue, AtomicU64::new(0)));
        tasks.push(tokio::spawn(deliver(receiver, messages)));
    }
    tasks.push(tokio::spawn(watch(Arc::downgrade(node), queues)));
    tasks
}

type Queue = (String, Severity, mpsc::Sender<Arc<Change>>, AtomicU64);

async fn watch(node: Weak<Node>, queues: Vec<Queue>) {
    let mut alerts = Alerts::default();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(node) = node.upgrade() else { return };
        let now = node.telemetry.clock.now();
        for change in alerts.on(now, levels::standings(&node, now)) {
            let change = Arc::new(change);
            for (name, least, queue, missed) in &queues {
                // Who was told that it burns is told that it no longer does.
                if change.loudest() >= *least && queue.try_send(Arc::clone(&change)).is_err() {
                    let missed = missed.fetch_add(1, Relaxed) + 1;
                    tracing::warn!(
                        receiver = name,
                        missed,
                        "a notification was dropped: its receiver is down for long"
                    );
                }
            }
        }
    }
}

async fn deliver(receiver: Receiver, mut messages: mpsc::Receiver<Arc<Change>>) {
    while let Some(change) = messages.recv().await {
        let mut wait = WAIT;
        for attempt in 1..=TRIES {
            let sent = match &receiver.way {
                Way::Webhook(webhook) => tokio::time::timeout(PATIENCE, webhook.send(&change)).await,
                Way::Mail(mail) => tokio::time::timeout(PATIENCE, mail.send(&change)).await,
            };
            let why = match sent {
                Ok(Ok(())) => {
                    tracing::info!(receiver = receiver.name, id = change.id, attempt, "a notification was delivered");
                    break;
                }
                Ok(Err(why)) => why,
                Err(_) => "it took too long".to_owned(),
            };
            tracing::warn!(receiver = receiver.name, id = change.id, attempt, why, "a notification was not delivered");
            if attempt < TRIES {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
        }
    }
}

/// `shop/api availability burns (page)`.
fn subject(change: &Change) -> String {
    let of = &change.of;
    let what = format!("{}/{} {}", of.application, of.component, of.objective);
    match change.state {
        State::Firing(severity) => format!("{what} burns ({})", severity.as_str()),
        State::Recovered(_) => format!("{what} has recovered"),
    }
}
