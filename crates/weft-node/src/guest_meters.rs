//! What the engine does with instances and code, from the host's seam to the meters.

use std::{sync::Arc, time::Duration};

use weft_host::{CodeFrom, InstanceMeter, Meters};
use weft_telemetry::metrics::{self, ComponentMeter, Metrics};
use weft_types::Name;

pub(crate) struct EngineMeters(pub(crate) Arc<Metrics>);

struct Instances(Arc<ComponentMeter>);

impl Meters for EngineMeters {
    fn open(&self, application: &Name, component: &Name) -> Arc<dyn InstanceMeter> {
        Arc::new(Instances(self.0.component(application, component)))
    }

    fn code_ready(&self, from: CodeFrom, took: Duration) {
        let from = match from {
            CodeFrom::Cache => metrics::CodeFrom::Cache,
            CodeFrom::Compiler => metrics::CodeFrom::Compiler,
            CodeFrom::StaleCache => metrics::CodeFrom::StaleCache,
        };
        self.0.node().code_ready(from, took);
        self.0.node().code_loaded.up();
    }

    fn code_gone(&self, evicted: bool) {
        self.0.node().code_loaded.down();
        if evicted {
            self.0.node().code_evicted.add(1);
        }
    }
}

impl InstanceMeter for Instances {
    fn created(&self) {
        self.0.instance_created();
    }
    fn reused(&self) {
        self.0.instance_reused();
    }
    fn dropped(&self, lost: bool) {
        self.0.instance_dropped(lost);
    }
}
