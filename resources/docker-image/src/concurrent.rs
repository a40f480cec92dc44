//! Several things at once on one thread, within a bound.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use jetway::Result;

/// The outcomes of `work` for all items, in the items' order, `at_once` of them at a time. The first failure ends it all.
pub(crate) async fn map<'i, I, T, F>(items: &'i [I], at_once: usize, work: impl Fn(&'i I) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let mut done: Vec<Option<T>> = items.iter().map(|_| None).collect();
    let mut waiting = items.iter().enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    loop {
        while running.len() < at_once.max(1)
            && let Some((index, item)) = waiting.next()
        {
            running.push((index, Box::pin(work(item))));
        }
        if running.is_empty() {
            return Ok(done.into_iter().flatten().collect());
        }
        // All of them are polled whenever one wakes: there are few.
        let (index, outcome) = std::future::poll_fn(|context| {
            for place in 0..running.len() {
                if let Some((index, future)) = running.get_mut(place)
                    && let Poll::Ready(outcome) = future.as_mut().poll(context)
                {
                    let index = *index;
                    running.swap_remove(place);
                    return Poll::Ready((index, outcome));
                }
            }
            Poll::Pending
        })
        .await;
        let outcome = outcome?;
        if let Some(place) = done.get_mut(index) {
            *place = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn answers_come_in_the_order_of_the_items_and_no_more_run_than_are_allowed() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let items: Vec<u64> = (0..50).collect();
        let work = async |item: &u64| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            for _ in *item..50 {
                tokio::task::yield_now().await;
            }
            now.set(now.get() - 1);
            Ok(item * 2)
        };
        let doubled = block_on(map(&items, 8, work)).unwrap();
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(most.get(), 8);
    }

    #[test]
    fn the_first_failure_is_the_outcome() {
        let work = async |item: &u32| if *item == 3 { Err(jetway::anyhow!("three")) } else { Ok(*item) };
        assert_eq!(block_on(map(&[1, 2, 3, 4], 2, work)).unwrap_err().to_string(), "three");
    }
}
