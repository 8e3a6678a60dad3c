//! A router whose routes came and went one by one against one that is built of those that are left.

use proptest::prelude::*;

use super::differential::{Sample, sample, traditional_route};
use super::*;

const FLAVORS: [Flavor; 3] = [Flavor::Traditional, Flavor::TraditionalCompatible, Flavor::Expressions];

fn compiled(flavor: Flavor, specs: &[RouteSpec]) -> Vec<CompiledRoute> {
    let mut compiler = Compiler::new(flavor, Subsystem::Http);
    specs.iter().map(|spec| compiler.compile(spec)).filter_map(Result::ok).collect()
}

/// Where a request goes, and what the match says besides.
fn verdict(router: &Router, sample: &Sample) -> Option<String> {
    let input = sample.input();
    let found = router.find(&input)?;
    Some(format!("{found:?} {:?} {:?}", router.upstream_path(&found), router.captures(&found, &input)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn routes_that_come_and_go_leave_the_router_that_is_built_of_the_rest(
        specs in prop::collection::vec(traditional_route(), 1..30),
        first in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0..60_usize, prop::option::weighted(0.7, any::<prop::sample::Index>())), 0..120),
        samples in prop::collection::vec(sample(), 1..8),
        flavor in prop::sample::select(FLAVORS.to_vec()),
    ) {
        let routes = compiled(flavor, &specs);
        prop_assume!(!routes.is_empty());
        let first = first.index(routes.len());
        let mut left: std::collections::BTreeMap<usize, usize> = (0..first).map(|at| (at, at)).collect();
        let assemble = |left: &std::collections::BTreeMap<usize, usize>| {
            Router::assemble(flavor, Subsystem::Http, left.iter().map(|(number, at)| (*number, &routes[*at])))
        };
        let mut router = assemble(&left);
        let before = router.clone();
        let verdicts: Vec<_> = samples.iter().map(|sample| verdict(&before, sample)).collect();
        for (number, at) in changes {
            match at.map(|at| at.index(routes.len())) {
                Some(at) => {
                    left.insert(number, at);
                    router.insert(number, &routes[at]);
                }
                None => {
                    left.remove(&number);
                    router.remove(number);
                }
            }
        }
        let built = assemble(&left);
        prop_assert_eq!(router.len(), built.len());
        for (sample, verdict_before) in samples.iter().zip(verdicts) {
            prop_assert_eq!(verdict(&router, sample), verdict(&built, sample), "{:?}", sample);
            prop_assert_eq!(verdict(&before, sample), verdict_before, "the copy changed: {:?}", sample);
        }
    }
}

/// The index must not get worse than a fresh one, however the routes came.
#[test]
fn ten_thousand_routes_that_came_one_by_one_are_found_as_quickly_as_if_they_had_come_at_once() {
    for flavor in FLAVORS {
        let spec = |number: usize| RouteSpec {
            id: uuid::Uuid::from_u128(number as u128),
            protocols: vec![Protocol::Http, Protocol::Https],
            hosts: Some(vec![format!("host-{}.example.com", number % 100)]),
            paths: vec![format!("/api/v1/resource-{number}")],
            ..RouteSpec::default()
        };
        let specs: Vec<RouteSpec> = (0..10_000).map(spec).collect();
        let routes = compiled(flavor, &specs);
        let mut router = Router::assemble(flavor, Subsystem::Http, std::iter::empty());
        for (number, route) in routes.iter().enumerate() {
            router.insert(number, route);
        }
        for number in (0..10_000).step_by(97) {
            let path = format!("/api/v1/resource-{number}");
            let host = format!("host-{}.example.com", number % 100);
            let input = MatchInput {
                method: "GET",
                path: path.as_bytes(),
                host: Some(&host),
                ..MatchInput::default()
            };
            assert_eq!(router.find(&input).map(|found| found.route), Some(number));
            let tried = match flavor {
                Flavor::Traditional => router.tried(&TraditionalRequest::new(&input)),
                _ => router.tried(&Request::new(&input).unwrap()),
            };
            assert!(tried <= 16, "{tried} routes are tried");
        }
    }
}
