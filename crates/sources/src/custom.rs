//! What custom guards look at: read as errors and latency are, and put beside them.

use std::collections::BTreeMap;

use crate::window::{Arm, CellKey, Counts, Custom, Missing, Window};
use crate::{CustomQuery, Query};

/// The query that reads what a custom guard counts as if it were errors or latency. None for a plain value.
pub(crate) fn alone(query: &Query, custom: &CustomQuery) -> Option<Query> {
    let (errors, latency) = match custom {
        CustomQuery::Events(total, events) => (Some((total.clone(), events.clone())), None),
        CustomQuery::Histogram(histogram) => (None, Some(histogram.clone())),
        CustomQuery::Value(_) => return None,
    };
    Some(Query {
        errors,
        latency,
        custom: Vec::new(),
        ..query.clone()
    })
}

/// Puts what was counted for a guard into the window of the same look. A look that could not be read for one guard is missing:
/// the budget that it would spend stays for later.
pub(crate) fn join(window: &mut Window, name: &str, counted: Window) {
    match (&mut window.content, counted.content) {
        (Ok(cells), Ok(more)) => {
            for (key, counts) in more {
                let custom = match counts.latency {
                    Some(latency) => Custom::Latency(latency),
                    None => Custom::Events {
                        total: counts.requests,
                        events: counts.errors,
                    },
                };
                put(cells, key, name, custom);
            }
        }
        (Ok(_), Err(Missing(why))) => window.content = Err(Missing(format!("{name}: {why}"))),
        (Err(_), _) => {}
    }
}

/// Puts the value of a query into the window of the look at whose end it was asked.
pub(crate) fn join_value(window: &mut Window, name: &str, value: f64) {
    if let Ok(cells) = &mut window.content {
        let key = CellKey {
            arm: Arm::Canary,
            stratum: String::new(),
            pod: String::new(),
        };
        put(cells, key, name, Custom::Value(value));
    }
}

fn put(cells: &mut BTreeMap<CellKey, Counts>, key: CellKey, name: &str, custom: Custom) {
    let counts = cells.entry(key).or_default();
    counts.custom.insert(name.to_owned(), custom);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(content: Result<Vec<(&str, Counts)>, &str>) -> Window {
        let cell = |(pod, counts): (&str, Counts)| {
            let key = CellKey {
                arm: Arm::Canary,
                stratum: String::new(),
                pod: pod.to_owned(),
            };
            (key, counts)
        };
        Window {
            look: 1,
            content: content
                .map(|cells| cells.into_iter().map(cell).collect())
                .map_err(|why| Missing(why.to_owned())),
        }
    }

    fn served(requests: u64, errors: u64) -> Counts {
        Counts {
            requests,
            errors,
            ..Counts::default()
        }
    }

    #[test]
    fn counts_of_a_guard_are_beside_the_requests_of_the_same_pod() {
        let mut joined = window(Ok(vec![("a", served(10, 1))]));
        join(
            &mut joined,
            "cache",
            window(Ok(vec![("a", served(7, 3)), ("b", served(5, 0))])),
        );
        join_value(&mut joined, "lag", 17.5);
        let cells = joined.content.unwrap();
        let of = |pod: &str| {
            cells
                .iter()
                .find(|(key, _)| key.pod == pod)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!((of("a").requests, of("b").requests), (10, 0));
        assert_eq!(
            of("a").custom["cache"],
            Custom::Events {
                total: 7,
                events: 3
            }
        );
        assert_eq!(
            of("b").custom["cache"],
            Custom::Events {
                total: 5,
                events: 0
            }
        );
        assert_eq!(of("").custom["lag"], Custom::Value(17.5));
    }

    #[test]
    fn a_look_that_one_guard_could_not_read_is_missing_and_says_which() {
        let mut joined = window(Ok(vec![("a", served(10, 1))]));
        join(&mut joined, "cache", window(Err("not scraped")));
        assert_eq!(
            joined.content,
            Err(Missing("cache: not scraped".to_owned()))
        );
    }
}
