//! An account that does not stand still: instances stop, start and change tags on their own.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::simulator::instance::State;
use crate::simulator::world::World;

const TICK: Duration = Duration::from_millis(10);

/// Makes `per_second` changes a second to random instances of the home estate, for ever. The same seed draws the same
/// sequence of changes.
pub(crate) async fn run(world: World, per_second: f64) {
    let mut rng = fastrand::Rng::with_seed(world.options().seed);
    let mut ticks = interval(TICK);
    // Late ticks do not pile up; what they owed is counted by the time that passed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut owed = 0.0;
    let mut before = ticks.tick().await;
    loop {
        let now = ticks.tick().await;
        owed += per_second * now.duration_since(before).as_secs_f64();
        before = now;
        while owed >= 1.0 {
            owed -= 1.0;
            change(&world, &mut rng);
        }
    }
}

/// One random change. Stops and starts keep about nine in ten instances running.
fn change(world: &World, rng: &mut fastrand::Rng) {
    let estate = world.home();
    let now = world.clock().moment();
    let mut edit = estate.edit();
    let end = edit.end();
    if end == 0 {
        return;
    }
    // A terminated or moving instance is left alone; try a few others.
    for _ in 0..16 {
        let number = rng.u64(0..end);
        let instance = edit.instance(number);
        let state = instance.state(now);
        if !matches!(state, State::Running | State::Stopped) || instance.managed {
            continue;
        }
        match state {
            State::Stopped => edit.start(number, now),
            _ if rng.u8(0..10) == 0 => edit.stop(number, now),
            _ => {
                let release = format!("r{}", rng.u32(1_000..10_000));
                edit.change(number, |instance| instance.tags.put("release", release));
            }
        }
        return;
    }
}
