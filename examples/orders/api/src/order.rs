//! An order: what is sent, what is kept, what is said of it in the log.

use serde::{Deserialize, Serialize};

use crate::problem::Wrong;

const NAME_CHARS_MAX: usize = 80;
const ITEMS_MAX: usize = 50;
const QUANTITY_MAX: u32 = 100;

/// As it is sent. Unknown fields are refused, since a misspelt one would be lost in silence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) restaurant: String,
    pub(crate) customer: String,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) dish: String,
    pub(crate) quantity: u32,
    /// In the currency's smallest unit.
    pub(crate) price: u32,
}

/// As it is kept, at `order/ID`. The kitchen changes `state` and adds its own times.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) restaurant: String,
    customer: String,
    items: Vec<Item>,
    total: u64,
    currency: String,
    /// Milliseconds since 1970.
    placed: u64,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// A record of the log `orders`.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) event: &'static str,
    pub(crate) order: &'a str,
    pub(crate) restaurant: &'a str,
    pub(crate) at: u64,
}

impl Draft {
    /// Everything that is wrong with it, by place.
    pub(crate) fn faults(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, pointer: String, detail| {
            if !holds {
                wrong.push(Wrong { pointer, detail });
            }
        };
        let named = |text: &str| !text.trim().is_empty() && text.chars().count() <= NAME_CHARS_MAX;
        expect(named(&self.restaurant), "/restaurant".to_owned(), "must have 1 to 80 characters");
        expect(!self.restaurant.contains('/'), "/restaurant".to_owned(), "must not contain `/`");
        expect(named(&self.customer), "/customer".to_owned(), "must have 1 to 80 characters");
        expect((1..=ITEMS_MAX).contains(&self.items.len()), "/items".to_owned(), "must have 1 to 50 items");
        for (at, item) in self.items.iter().enumerate() {
            expect(named(&item.dish), format!("/items/{at}/dish"), "must have 1 to 80 characters");
            let quantity = (1..=QUANTITY_MAX).contains(&item.quantity);
            expect(quantity, format!("/items/{at}/quantity"), "must be 1 to 100");
        }
        wrong
    }

    pub(crate) fn order(self, id: String, currency: String, placed: u64) -> Order {
        let total = self.items.iter().map(|item| u64::from(item.price) * u64::from(item.quantity)).sum();
        Order {
            id,
            state: "placed".to_owned(),
            restaurant: self.restaurant,
            customer: self.customer,
            items: self.items,
            total,
            currency,
            placed,
            rest: serde_json::Map::new(),
        }
    }
}
