//! How many WebSockets each route has, which is bounded by its policy.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use weft_traffic::RouteSpec;
use weft_types::Name;

/// Application, host and path of a route: what survives a deployment.
type Key = (Name, Option<Arc<str>>, Arc<str>);

/// WebSockets by route, for all listeners. A route that has none is not in it.
#[derive(Default)]
pub(crate) struct Count(Mutex<HashMap<Key, u32>>);

/// One of them. Dropping it gives the place back.
pub(crate) struct Place {
    count: Arc<Count>,
    key: Key,
}

impl Count {
    /// `None`: the route has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, route: &RouteSpec) -> Option<Place> {
        let key = (route.application.clone(), route.host.clone(), Arc::clone(&route.path));
        let mut all = self.0.lock();
        let open = all.entry(key.clone()).or_default();
        if *open >= route.policy.sockets {
            return None;
        }
        *open += 1;
        Some(Place { count: Arc::clone(self), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.count.0.lock();
        if let Some(open) = all.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.key);
            }
        }
    }
}
