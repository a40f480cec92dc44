//! The table, and what of it is over a limit.

use std::fmt::Write as _;
use std::time::Duration;

use crate::measure::Measured;

/// A table in Markdown, and a sentence for each limit that was missed.
pub(crate) fn render(runs: usize, what: &str, results: &[Measured]) -> (String, Vec<String>) {
    let mut table = format!("Medians of {runs} runs in turns, whole processes, {what}.\n\n");
    table.push_str(
        "| what | wall | × floor | limit | CPU of the tree | × floor | own peak memory | processes started |\n",
    );
    table.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    let mut missed = Vec::new();
    for result in results {
        let floor = result.floor.and_then(|name| results.iter().find(|other| other.name == name));
        let wall_ratio = floor.map(|floor| result.wall.as_secs_f64() / floor.wall.as_secs_f64());
        let cpu_ratio = floor.map(|floor| result.cpu.as_secs_f64() / floor.cpu.as_secs_f64());
        let is_ours = !result.is_established
            && (floor.is_some() || result.limits.wall.or(result.limits.cpu).is_some())
            && (result.limits.over.is_none() || result.limits.peak_rss.is_some());
        let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let peak = if is_ours { mebibytes(result.footprint.peak_rss) } else { String::new() };
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {peak} | {} |",
            result.name,
            milliseconds(result.wall),
            ratio(wall_ratio),
            limit(result),
            milliseconds(result.cpu),
            ratio(cpu_ratio),
            result.footprint.started,
        )
        .expect("a string");
        missed.extend(misses(result, wall_ratio));
        if let (Some(limit), Some(ratio)) = (result.limits.cpu_ratio, cpu_ratio)
            && ratio > limit
        {
            missed.push(format!("{}: {ratio:.2} times its floor's CPU, at most {limit:.2}", result.name));
        }
        if let Some((limit, floor)) = result.limits.over.zip(floor)
            && result.wall > floor.wall + limit
        {
            let over = milliseconds(result.wall.saturating_sub(floor.wall));
            missed.push(format!("{}: {over} beyond its floor, at most {}", result.name, milliseconds(limit)));
        }
    }
    (table, missed)
}

fn limit(result: &Measured) -> String {
    let ratio = result.limits.ratio.map(|ratio| format!("{ratio:.2}"));
    let cpu_time = || result.limits.cpu.map(|limit| format!("< {} of CPU", milliseconds(limit)));
    let wall = || result.limits.wall.map(|wall| format!("< {}", milliseconds(wall)));
    let over = || result.limits.over.map(|over| format!("+ {}", milliseconds(over)));
    let cpu = || result.limits.cpu_ratio.map(|ratio| format!("{ratio:.2} of CPU"));
    ratio.or_else(cpu).or_else(cpu_time).or_else(wall).or_else(over).unwrap_or_default()
}

fn misses(result: &Measured, wall_ratio: Option<f64>) -> Vec<String> {
    let mut missed = Vec::new();
    let (name, limits, footprint) = (&result.name, result.limits, result.footprint);
    if let (Some(limit), Some(ratio)) = (limits.ratio, wall_ratio)
        && ratio > limit
    {
        missed.push(format!("{name}: {ratio:.2} times its floor, at most {limit:.2}"));
    }
    if let Some(limit) = limits.wall
        && result.wall >= limit
    {
        missed.push(format!("{name}: {}, less than {} wanted", milliseconds(result.wall), milliseconds(limit)));
    }
    if let Some(limit) = limits.cpu
        && result.cpu >= limit
    {
        missed.push(format!("{name}: {} of CPU, less than {} wanted", milliseconds(result.cpu), milliseconds(limit)));
    }
    if let Some(limit) = limits.peak_rss
        && footprint.peak_rss >= limit
    {
        missed.push(format!(
            "{name}: {} of memory, less than {} wanted",
            mebibytes(footprint.peak_rss),
            mebibytes(limit)
        ));
    }
    if let Some(limit) = limits.children
        && footprint.children > limit
    {
        missed.push(format!("{name}: {} children, at most {limit}", footprint.children));
    }
    missed
}

/// A duration in milliseconds, with one decimal.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// One decimal, by integers: no figure here is large enough to lose any, and none needs a float.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}
