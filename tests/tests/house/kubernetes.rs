//! The base for Kubernetes against the code.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::sources::{SERVICES, URLS, calls, port, reads, root, text};

fn documents(name: &str) -> Vec<Value> {
    let path = format!("deploy/kubernetes/{name}.yaml");
    serde_saphyr::from_multiple(&text(&path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn of_kind(name: &str, kind: &str) -> Value {
    let mut all = documents(name).into_iter();
    let found = all.find(|one| one["kind"] == kind);
    found.unwrap_or_else(|| panic!("{name} has no {kind}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_service_has_its_program_its_port_its_variables_and_probes() {
    let base = documents("kustomization").remove(0);
    let resources: Vec<&str> = list(&base["resources"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let shared = list(&base["configMapGenerator"][0]["literals"]).iter();
    let shared: Vec<&str> = shared
        .filter_map(|one| one.as_str()?.split('=').next())
        .collect();
    for service in SERVICES {
        assert!(
            resources.contains(&&*format!("{service}.yaml")),
            "{service}"
        );
        let deployment = of_kind(service, "Deployment");
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["command"][0], format!("weir-{service}"));
        let own = port(service);
        assert_eq!(container["ports"][0]["containerPort"], own);
        let ready = &container["readinessProbe"];
        match URLS.iter().any(|(name, _)| *name == service) {
            true => assert_eq!(ready["grpc"]["port"], own, "{service}"),
            false => assert_eq!(ready["httpGet"]["path"], "/readyz", "{service}"),
        }
        for one in list(&container["env"]) {
            let name = one["name"].as_str().unwrap();
            assert!(reads(service, name), "{service} reads no {name}");
            if name == "WEIR_LISTEN" {
                assert_eq!(one["value"], format!("0.0.0.0:{own}"));
            }
        }
        let served = of_kind(service, "Service");
        assert_eq!(served["spec"]["ports"][0]["port"], own);
        // Its name resolves to all replicas, among which callers choose.
        let headless = served["spec"]["clusterIP"] == "None";
        assert_eq!(headless, URLS.iter().any(|(name, _)| *name == service));
        assert!(
            pod["terminationGracePeriodSeconds"].as_u64() > Some(20),
            "{service}"
        );
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    }
    for name in shared {
        let read = SERVICES.iter().any(|service| reads(service, name));
        assert!(read, "nobody reads {name}");
    }
}

#[test]
fn who_calls_is_let_in_and_nobody_else() {
    let policies = documents("policies");
    for (service, _) in URLS {
        let policy = policies
            .iter()
            .find(|one| one["metadata"]["name"] == service);
        let rule = &policy.unwrap()["spec"]["ingress"][0];
        assert_eq!(rule["ports"][0]["port"], port(service));
        let named = list(&rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]);
        let named: BTreeSet<&str> = named.iter().filter_map(Value::as_str).collect();
        let callers = SERVICES.into_iter();
        let callers = callers.filter(|one| *one != service && calls(one).contains(&service));
        assert_eq!(
            named,
            callers.collect::<BTreeSet<_>>(),
            "callers of {service}"
        );
    }
}

/// The console's page of health asks by the edge's name, whatever people call it.
#[test]
fn the_console_reaches_the_edge_from_within() {
    let base = documents("kustomization").remove(0);
    let literals = list(&base["configMapGenerator"][0]["literals"]).iter();
    let wanted = format!("WEIR_EDGE_HEALTH_URL=http://edge:{}", port("edge"));
    let mut literals = literals.filter_map(Value::as_str);
    assert!(literals.any(|one| one == wanted), "{wanted}");
}

/// What a Job runs can't be changed, so `apply` alone would fail with every other image.
#[test]
fn the_job_of_before_is_deleted_wherever_the_base_is_applied() {
    let job = documents("roles").remove(0);
    let label = "app.kubernetes.io/name";
    assert_eq!(job["metadata"]["labels"][label], "roles");
    for path in [
        "deploy/kubernetes/kustomization.yaml",
        "docs/operations.md",
        "docs/operations/upgrade.md",
    ] {
        let says = text(path);
        let steps = [
            "kubectl --namespace weir delete job roles --ignore-not-found",
            "kubectl --namespace weir apply --kustomize . --selector app.kubernetes.io/name=roles",
            "kubectl --namespace weir wait --for=condition=complete --timeout=5m job/roles",
            "kubectl --namespace weir apply --kustomize .\n",
        ];
        let places: Vec<_> = steps.iter().map(|step| says.find(step)).collect();
        assert!(
            places.is_sorted() && places[0].is_some(),
            "{path}: {places:?}"
        );
    }
}

/// Kustomize's own word, where it is there; `deploy/kubernetes` is read by the rules above anywhere.
fn built(folder: &str) -> Option<Vec<Value>> {
    let built = Command::new("kubectl")
        .args(["kustomize", folder])
        .current_dir(root())
        .output();
    let Ok(built) = built else {
        eprintln!("left out: there is no kubectl");
        return None;
    };
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let text = String::from_utf8(built.stdout).unwrap();
    Some(serde_saphyr::from_multiple(&text).unwrap())
}

#[test]
fn kustomize_builds_the_base_and_its_overlay() {
    for folder in ["deploy/kubernetes", "deploy/kubernetes-overlay"] {
        let Some(all) = built(folder) else { return };
        let deployments = all.iter().filter(|one| one["kind"] == "Deployment").count();
        assert_eq!(deployments, SERVICES.len(), "{folder}");
        for one in &all {
            let pod = &one["spec"]["template"];
            if pod.is_null() {
                continue;
            }
            // What the policy that refuses everybody else goes by.
            let label = &pod["metadata"]["labels"]["app.kubernetes.io/part-of"];
            assert_eq!(label, "weir", "{}", one["metadata"]["name"]);
        }
    }
}

/// A PostgreSQL or a Redis in the same namespace is somebody else's.
#[test]
fn policies_are_for_pods_of_ours_alone() {
    for policy in documents("policies") {
        let of = &policy["spec"]["podSelector"]["matchLabels"];
        assert!(of.is_object(), "{}", policy["metadata"]["name"]);
        assert_eq!(
            policy["spec"]["policyTypes"],
            serde_json::json!(["Ingress"])
        );
    }
}

#[test]
fn an_overlay_sets_what_somebody_reads() {
    let says = text("deploy/kubernetes-overlay/kustomization.yaml");
    let lines = says.lines().map(|line| line.trim_start_matches([' ', '#']));
    let set = lines.filter_map(|line| line.strip_prefix("- ")?.split_once('='));
    let set: Vec<&str> = set.map(|(name, _)| name).collect();
    assert!(set.len() > 5, "{set:?}");
    for name in set {
        let read = SERVICES.iter().any(|service| reads(service, name));
        assert!(read, "nobody reads {name}");
    }
}
