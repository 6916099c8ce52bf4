//! `weft serve`: production. Applications come by `weft apply`, and are served again after a restart.

use std::sync::Arc;

use clap::Args;
use weft_control::Control;
use weft_node::{KeepError, Keeper, Node};
use weft_types::code;

use super::up;
use crate::{
    failure::Failure,
    settings::{self, Settings},
    signals::Signals,
};

/// Serve the applications that were applied; more come with `weft apply`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  weft serve --node /etc/weft/node.toml\n  weft serve --listen 0.0.0.0:8080 --data /var/lib/weft"
)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: Settings,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        super::block_on(self.serve())
    }

    async fn serve(&self) -> Result<(), Failure> {
        let (config, data) = self.settings.config()?;
        let mut signals = Signals::listen().map_err(|error| Failure::new(code::INTERNAL, "weft", error.to_string()))?;
        let telemetry = settings::telemetry(&config)?;
        let closed = Node::start(&config, &data, telemetry.clone()).map_err(up::node_failure)?;
        let control = Control::open(closed.store(), &data, Arc::clone(&telemetry.clock));
        let control = control.map_err(|error| kept(&KeepError::from(error)))?;
        let keeper = Keeper::new(control, Arc::clone(&closed));
        keeper.resume().await.map_err(|error| kept(&error))?;
        let node = closed.open(Some(keeper)).map_err(up::node_failure)?;
        telemetry.announce(&up::announcement(&node));
        signals.next().await;
        up::end(&node, &config, &mut signals).await;
        telemetry.flush();
        Ok(())
    }
}

fn kept(error: &KeepError) -> Failure {
    let code = match error {
        KeepError::Control(error) => error.code(),
        KeepError::Secrets(error) => error.code(),
        KeepError::Deploy(_) => code::COMPONENT_UNAVAILABLE,
    };
    Failure::new(code, "weft", error.to_string())
}
