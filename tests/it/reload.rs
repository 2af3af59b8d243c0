//! Tenant files that change while the gateway serves: nobody else may notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::{World, WorldOptions, eventually, plain_tenant};

async fn world() -> World {
    let files =
        vec![("calm.yaml", plain_tenant("calm", "calm.example")), ("busy.yaml", plain_tenant("busy", "busy.example"))];
    World::with(WorldOptions { files, flags: Vec::new(), as_dev: false }).await
}

async fn login(world: &World, tenant: &str, host: &str) -> u16 {
    world.login("api", host, &format!("user@{tenant}.example"), "Passw0rd-1").send().await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_a_file_is_broken_mended_renamed_removed_and_added_and_no_other_tenant_notices() {
    let world = Arc::new(world().await);
    let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (world, done, served) = (Arc::clone(&world), Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(login(&world, "calm", "calm.example").await, 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let busy = plain_tenant("busy", "busy.example");
    world.write("busy.yaml", &busy.replace("client_id", "client_idd"));
    eventually("the broken file serves its last good version", async || world.state("busy.yaml").await == "last_good")
        .await;
    assert_eq!(login(&world, "busy", "busy.example").await, 200);
    world.write("busy.yaml", &busy);
    eventually("it is mended", async || world.state("busy.yaml").await == "active").await;
    std::fs::rename(world.path("busy.yaml"), world.path("renamed.yaml")).unwrap();
    eventually("it is renamed", async || {
        world.state("renamed.yaml").await == "active" && world.state("busy.yaml").await == "gone"
    })
    .await;
    assert_eq!(login(&world, "busy", "busy.example").await, 200);
    std::fs::remove_file(world.path("renamed.yaml")).unwrap();
    eventually("it is removed", async || login(&world, "busy", "busy.example").await == 401).await;
    world.write("added.yaml", &plain_tenant("added", "added.example"));
    eventually("another is added", async || login(&world, "added", "added.example").await == 200).await;
    let folder = world.folder.path().join("tenants.d");
    for (version, host) in [("..1", "one.example"), ("..2", "two.example")] {
        std::fs::create_dir(folder.join(version)).unwrap();
        let text = plain_tenant("mapped", host).replace("BASE", &world.emulator.base());
        std::fs::write(folder.join(version).join("mapped.yaml"), text).unwrap();
        std::os::unix::fs::symlink(version, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if version == "..1" {
            std::os::unix::fs::symlink("..data/mapped.yaml", folder.join("mapped.yaml")).unwrap();
        }
        eventually("a ConfigMap is swapped", async || login(&world, "mapped", host).await == 200).await;
    }
    let before = served.load(Ordering::SeqCst);
    eventually("the load goes on", async || served.load(Ordering::SeqCst) > before + 20).await;
    done.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_says_where_and_why_everywhere() {
    let world = world().await;
    world.write("busy.yaml", &plain_tenant("busy", "busy.example").replace("client_id", "client_idd"));
    let report = world.reload().await;
    assert_eq!(report.status, 422);
    assert_eq!(report.json()["rejected"][0], "busy.yaml");
    let status = world.ops("GET", "/tenants").send().await.json();
    let problem = &status["files"][0]["problems"];
    let unknown = problem.as_array().unwrap().iter().find(|it| it["path"] == "clients.api.client_idd").unwrap();
    assert_eq!(
        (unknown["line"].as_u64(), unknown["column"].as_u64(), unknown["hint"].as_str()),
        (Some(6), Some(5), Some("did you mean `client_id`?"))
    );
    assert_eq!(world.metric("auth0_gateway_config_file_valid{file=\"busy.yaml\"}").await, 0);
    assert_eq!(world.metric("auth0_gateway_tenants{state=\"last_good\"}").await, 1);
    assert_eq!(world.metric("auth0_gateway_config_last_reload_successful").await, 0);
    assert_eq!(world.bare("GET", "/-/check-up").send().await.status, 503);
    assert_eq!(world.bare("GET", "/-/ready").send().await.status, 200, "readiness does not depend on a later reload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_swap_is_one_change() {
    let world = world().await;
    let folder = world.folder.path().join("tenants.d");
    let version = |name: &str, host: &str| {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(
            folder.join(name).join("mapped.yaml"),
            plain_tenant("mapped", host).replace("BASE", &world.emulator.base()),
        )
        .unwrap();
        std::os::unix::fs::symlink(name, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    version("..1", "one.example");
    std::os::unix::fs::symlink("..data/mapped.yaml", folder.join("mapped.yaml")).unwrap();
    eventually("the first version serves", async || login(&world, "mapped", "one.example").await == 200).await;
    version("..2", "two.example");
    eventually("the second serves", async || login(&world, "mapped", "two.example").await == 200).await;
    assert_eq!(login(&world, "mapped", "one.example").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_cannot_take_a_pair_in_service() {
    let world = world().await;
    world.write("a-thief.yaml", &plain_tenant("thief", "calm.example"));
    assert_eq!(world.reload().await.status, 422);
    assert_eq!(login(&world, "calm", "calm.example").await, 200);
    assert_eq!((world.auth0("thief").calls_total(), world.state("a-thief.yaml").await.as_str()), (0, "broken"));
    let text = world.ops("GET", "/tenants").send().await.text();
    assert!(text.contains("is served by calm.yaml"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_never_good_and_a_disabled_one_answer_503_and_nothing_falls_through() {
    let world = world().await;
    world.write("wide.yaml", &plain_tenant("wide", "*"));
    world.write("never.yaml", &plain_tenant("never", "never.example").replace("client_id", "client_idd"));
    world.write("off.yaml", &format!("enabled: false\n{}", plain_tenant("off", "off.example")));
    world.reload().await;
    assert_eq!(login(&world, "wide", "elsewhere.example").await, 200);
    for host in ["never.example", "off.example"] {
        let answer = world.login("api", host, "u", "p").send().await;
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable".into()), "{host}");
        assert!(answer.headers.contains_key("retry-after"), "{host}");
    }
    assert_eq!(world.auth0("wide").calls(auth0_gateway::emulator::EndpointName::Token), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_directory_removes_nobody_until_it_is_accepted() {
    let world = world().await;
    std::fs::remove_file(world.path("calm.yaml")).unwrap();
    std::fs::remove_file(world.path("busy.yaml")).unwrap();
    assert_eq!(world.reload().await.status, 422);
    assert_eq!(world.metric("auth0_gateway_config_directory_suspect").await, 1);
    assert_eq!(login(&world, "calm", "calm.example").await, 200);
    let report = world.accept_removals().await;
    assert_eq!((report.status.as_u16(), report.json()["removed"].as_array().unwrap().len()), (200, 2));
    assert_eq!(world.metric("auth0_gateway_config_directory_suspect").await, 0);
    assert_eq!(login(&world, "calm", "calm.example").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrelated_edit_costs_no_key_and_no_token() {
    let world = world().await;
    assert_eq!(login(&world, "calm", "calm.example").await, 200);
    let auth0 = world.auth0("calm");
    let before = auth0.calls(auth0_gateway::emulator::EndpointName::Jwks);
    world.write("calm.yaml", &(plain_tenant("calm", "calm.example") + "    login_urls: [\"https://{host}/\"]\n"));
    let report = world.reload().await.json();
    assert_eq!(report["changed"][0], "calm.yaml");
    assert_eq!(login(&world, "calm", "calm.example").await, 200);
    assert_eq!(auth0.calls(auth0_gateway::emulator::EndpointName::Jwks), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_defaults_change_nobody_and_good_ones_change_all() {
    let world = world().await;
    let hash = async || world.metric("auth0_gateway_config_hash").await;
    let before = hash().await;
    world.write("_defaults.yaml", "limits: { timeot: 1s }\n");
    assert_eq!(world.reload().await.status, 422);
    assert_eq!((hash().await, login(&world, "calm", "calm.example").await), (before, 200));
    world.write("_defaults.yaml", "limits: { timeout: 9s }\n");
    let report = world.reload().await;
    assert_eq!((report.status.as_u16(), report.json()["changed"].as_array().unwrap().len()), (200, 2));
    assert_ne!(hash().await, before);
}
