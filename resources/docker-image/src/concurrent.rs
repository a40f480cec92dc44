//! Runs a limited number of futures concurrently, on one thread.

use std::future::Future;

use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use jetway::Result;

/// The results of `work` for all items, in the items' order, with at most `at_once` running. The first error ends
/// everything.
pub(crate) async fn map<'i, I, T, F>(items: &'i [I], at_once: usize, work: impl Fn(&'i I) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let numbered = items.iter().enumerate().map(|(index, item)| {
        let outcome = work(item);
        async move { Ok::<_, jetway::Error>((index, outcome.await?)) }
    });
    // Unordered: a slow item does not delay the others.
    let mut done: Vec<(usize, T)> = iter(numbered).buffer_unordered(at_once.max(1)).try_collect().await?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn keeps_the_order_and_the_limit() {
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
    fn returns_the_first_error() {
        let work = async |item: &u32| if *item == 3 { Err(jetway::anyhow!("three")) } else { Ok(*item) };
        assert_eq!(block_on(map(&[1, 2, 3, 4], 2, work)).unwrap_err().to_string(), "three");
    }
}
