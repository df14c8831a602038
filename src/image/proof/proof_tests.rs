//! The search over images made in memory: each format, each depth, and what is hostile.

use std::io::{Cursor, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const VALUE: &str = "Kan4ri-W3rt/77";
const NAME: &str = "registry_password";

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

fn bz2(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bzip2::read::BzEncoder::new(data, bzip2::Compression::best()).read_to_end(&mut out).unwrap();
    out
}

fn xz(data: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 3);
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

fn zst(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

/// One member of a zip archive; `sizes`: what the header claims.
fn zipped(name: &str, method: u16, flags: u16, data: &[u8], packed: u32, extra: &[u8]) -> Vec<u8> {
    let mut out = b"PK\x03\x04\x14\0".to_vec();
    out.extend(flags.to_le_bytes());
    out.extend(method.to_le_bytes());
    out.extend([0; 8]);
    out.extend(packed.to_le_bytes());
    out.extend(packed.to_le_bytes());
    out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    out.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
    out.extend(name.as_bytes());
    out.extend(extra);
    out.extend(data);
    out
}

fn zip(name: &str, data: &[u8]) -> Vec<u8> {
    let packed = deflate(data);
    let mut out = zipped(name, 8, 0, &packed, u32::try_from(packed.len()).unwrap(), b"");
    out.extend(b"PK\x01\x02 and so on");
    out
}

fn ar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in files {
        out.extend(format!("{name:<16}{:<32}{:<10}`\n", "0", data.len()).bytes());
        out.extend(*data);
        if data.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// An image as older engines save it.
fn image(layers: &[Vec<u8>], config: &str) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at:064x}/layer.tar")).collect();
    let diffs: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let mut json: serde_json::Value = serde_json::from_str(config).unwrap();
    json["rootfs"] = serde_json::json!({ "type": "layers", "diff_ids": diffs });
    let json = json.to_string();
    let manifest = serde_json::json!([{ "Config": "abc.json", "RepoTags": ["a:b"], "Layers": names }]).to_string();
    let mut files: Vec<(&str, &[u8])> =
        names.iter().zip(layers).map(|(name, layer)| (name.as_str(), layer.as_slice())).collect();
    files.push(("abc.json", json.as_bytes()));
    files.push(("manifest.json", manifest.as_bytes()));
    tar(&files)
}

fn digest(data: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(data)))
}

fn values() -> Vec<(String, Secret)> {
    // Several values of a name: a list in the vault.
    let other = |value: &str| (NAME.to_owned(), Secret::new(value));
    vec![other("a first one 7y"), (NAME.to_owned(), Secret::new(VALUE)), other("never anywhere 5x")]
}

fn proof() -> Proof {
    Proof::new(&values(), &["proxy.lan".to_owned()], Clean::default())
}

fn search(image: &[u8]) -> Searched {
    let searched = proof().search(image, &About::default()).unwrap();
    assert!(!format!("{searched:?}").contains(VALUE), "{searched:?}");
    searched
}

/// Finds the value in one file of a layer, and gives place and encoding.
fn in_file(name: &str, content: &[u8]) -> Vec<(String, &'static str)> {
    let searched = search(&image(&[tar(&[("first", b"nothing"), (name, content), ("last", b"nothing")])], "{}"));
    let place = |place: &str| place.split_once("…) ").map_or(place.to_owned(), |(_, path)| path.to_owned());
    searched.findings.iter().map(|one| (place(&one.place), one.encoding)).collect()
}

fn check(name: &str, content: &[u8], place: &str) {
    assert_eq!(in_file(name, content).first().map(|(place, _)| place.as_str()), Some(place));
}

fn closed(name: &str, content: &[u8]) -> Vec<String> {
    let searched = search(&image(&[tar(&[(name, content)])], "{}"));
    assert_eq!(searched.findings, []);
    assert_eq!(searched.cost.not_opened, searched.not_opened.len() as u64);
    searched
        .not_opened
        .iter()
        .map(|one| format!("{}: {}", one.place.split_once("…) ").unwrap().1, one.reason))
        .collect()
}

#[test]
fn a_value_is_found_with_its_layer_path_member_and_encoding() {
    let text = format!("a = {VALUE}\n");
    let layers = [tar(&[("etc/x", b"no")]), tar(&[("etc/pip.conf.gz", &gz(text.as_bytes()))])];
    let searched = search(&image(&layers, "{}"));
    let short = &digest(&layers[1])[..19];
    let place = format!("layer 2 ({short}…) /etc/pip.conf.gz > pip.conf");
    assert_eq!(
        searched.findings,
        [Finding { what: NAME.into(), word: false, place: place.clone(), encoding: "plain" }]
    );
    assert_eq!(searched.findings[0].to_string(), format!("`{NAME}` in {place}"));
    assert_eq!((searched.cost.layers_searched, searched.cost.layers_known, searched.cost.not_opened), (2, 0, 0));
    assert!(searched.cost.bytes > 2048 && searched.cost.opened >= text.len() as u64);
    assert_eq!(in_file("k", STANDARD.encode(format!("u:{VALUE}")).as_bytes()), [("/k".to_owned(), "base64")]);
    assert_eq!(in_file("k", hex::encode(VALUE).as_bytes()), [("/k".to_owned(), "hex")]);
}

#[test]
fn every_format_is_opened() {
    let text = format!("x {VALUE} y").into_bytes();
    check("a.gz", &gz(&text), "/a.gz > a");
    check("a.xz", &xz(&text), "/a.xz > a");
    check("a.bz2", &bz2(&text), "/a.bz2 > a");
    check("a.bz2", &[bz2(b"first"), bz2(&text)].concat(), "/a.bz2 > a");
    check("a.tar.bz2", &bz2(&tar(&[("b", &gz(&text))])), "/a.tar.bz2 > a.tar > b > b");
    check("a.zst", &zst(&text), "/a.zst > a");
    check("a.zip", &zip("in/b", &text), "/a.zip > in/b");
    check("a.tar", &tar(&[("b", &text)]), "/a.tar > b");
    check("a.tgz", &gz(&tar(&[("b", &text)])), "/a.tgz > a.tar > b");
    check(
        "a.deb",
        &ar(&[("debian-binary", b"2.0"), ("data.tar.xz", &xz(&tar(&[("doc.gz", &gz(&text))])))]),
        "/a.deb > data.tar.xz > data.tar > doc.gz > doc",
    );
    // Two streams in one file, as log rotation leaves them.
    check("a.gz", &[gz(b"first"), gz(&text)].concat(), "/a.gz > a");
    check("a.xz", &[xz(b"first"), xz(&text)].concat(), "/a.xz > a");
    check("a.zst", &[zst(b"first"), zst(&text)].concat(), "/a.zst > a");
    check("app.pyz", &[b"#!/usr/bin/env python3\n".as_slice(), &zip("m.py", &text)].concat(), "/app.pyz > m.py");
}

/// As buildah writes them: layers by their content's digest, with links of the old names.
#[test]
fn archives_of_other_tools_are_read() {
    let layer = tar(&[("etc/a", b"x")]);
    let file = format!("{}.tar", &digest(&layer)[7..]);
    let config = serde_json::json!({ "rootfs": { "diff_ids": [digest(&layer)] } }).to_string();
    let manifest = serde_json::json!([{ "Config": "c.json", "Layers": ["old/layer.tar"] }]).to_string();
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    for (name, data) in
        [(file.as_str(), layer.as_slice()), ("c.json", config.as_bytes()), ("manifest.json", manifest.as_bytes())]
    {
        header.set_size(data.len() as u64);
        builder.append_data(&mut header, name, data).unwrap();
    }
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "old/layer.tar", format!("../{file}")).unwrap();
    let whole = builder.into_inner().unwrap();
    let proof = proof();
    let searched = |proof: &Proof| proof.search(whole.as_slice(), &About::default()).unwrap().cost.layers_searched;
    assert_eq!((searched(&proof), searched(&proof)), (1, 0));
}

/// The oldest tar archives have no magic number.
#[test]
fn an_archive_without_a_magic_number_is_opened() {
    let text = format!("x {VALUE} y").into_bytes();
    let mut old = tar(&[("b", &text)]);
    old[257..265].fill(0);
    old[148..156].fill(b' ');
    let sum: u32 = old[..512].iter().map(|byte| u32::from(*byte)).sum();
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    check("a.tar", &old, "/a.tar > b");
}

#[test]
fn members_of_zip_archives_are_opened_however_they_are_written() {
    let text = format!("x {VALUE} y").into_bytes();
    let packed = deflate(&text);
    let length = u32::try_from(packed.len()).unwrap();
    let stored = |flags, data: &[u8]| zipped("s", 0, flags, data, u32::try_from(data.len()).unwrap(), b"");
    check("a.zip", &stored(0, &gz(&text)), "/a.zip > s > s");
    // The length behind the data.
    let mut late = zipped("one", 8, 8, &deflate(b"first"), 0, b"");
    late.extend(b"PK\x07\x08");
    late.extend([0; 12]);
    late.extend(zipped("two", 8, 8, &packed, 0, b""));
    check("a.zip", &late, "/a.zip > two");
    // Large archives.
    let stored_gz = gz(&text);
    let mut extra = vec![1, 0, 16, 0];
    extra.extend((stored_gz.len() as u64).to_le_bytes());
    extra.extend((stored_gz.len() as u64).to_le_bytes());
    check("a.zip", &zipped("z", 0, 0, &stored_gz, u32::MAX, &extra), "/a.zip > z > z");
    check("a.zip", &zipped("z", 93, 0, &zst(&text), u32::try_from(zst(&text).len()).unwrap(), b""), "/a.zip > z");
    check("a.zip", &zipped("z", 12, 0, &bz2(&text), u32::try_from(bz2(&text).len()).unwrap(), b""), "/a.zip > z");
    check("a.zip", &zipped("z", 95, 0, &xz(&text), u32::try_from(xz(&text).len()).unwrap(), b""), "/a.zip > z");
    // Lengths that lie hide nothing of a deflated member, nor the next one.
    for lie in [0, 1, length + 7, u32::MAX - 1] {
        let mut archive = zipped("one", 8, 0, &deflate(b"first"), lie, b"");
        archive.extend(zipped("two", 8, 0, &packed, lie, b""));
        check("a.zip", &archive, "/a.zip > two");
    }
    assert_eq!(closed("a.zip", &zipped("e", 8, 1, &packed, length, b"")), ["/a.zip > e: it is encrypted"]);
    assert_eq!(
        closed("a.zip", &zipped("e", 14, 0, &packed, length, b"")),
        ["/a.zip > e: zip's method 14 is not unpacked"]
    );
    // An entry whose data overlap the next one, and one that is no deflated data at all.
    let header = zipped("inner", 8, 0, b"", length, b"");
    let quoted = u16::try_from(header.len()).unwrap();
    let data = [&[0][..], &quoted.to_le_bytes(), &(!quoted).to_le_bytes(), &header, &packed].concat();
    check("a.zip", &zipped("outer", 8, 0, &data, length, b""), "/a.zip > outer");
    let junk = zipped("junk", 8, 0, &[0x50; 40], 40, b"");
    assert_eq!(closed("a.zip", &junk), ["/a.zip > junk: its data are damaged"]);
}

#[test]
fn names_links_and_attributes_are_searched() {
    let named = format!("opt/{VALUE}");
    let findings = search(&image(&[tar(&[(&named, b"")])], "{}")).findings;
    assert!(findings[0].place.ends_with("/opt/********"), "{findings:?}");
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", format!("/x/{VALUE}")).unwrap();
    check_layer(builder.into_inner().unwrap(), "/link");
    let mut builder = ::tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("SCHILY.xattr.user.note", VALUE.as_bytes())]).unwrap();
    let mut header = ::tar::Header::new_ustar();
    header.set_size(1);
    builder.append_data(&mut header, "noted", b"x".as_slice()).unwrap();
    check_layer(builder.into_inner().unwrap(), "/noted");
    let long = format!("{}/deep.txt", "d".repeat(150));
    check(&long, VALUE.as_bytes(), &format!("/{long}"));
    check("a\nb\u{1b}c", VALUE.as_bytes(), r"/a\nb\u{1b}c");
    check_layer([tar(&[("a", b"x")]), tar(&[("behind", VALUE.as_bytes())])].concat(), "/behind");
}

fn check_layer(layer: Vec<u8>, place: &str) {
    let findings = search(&image(&[layer], "{}")).findings;
    assert!(findings.first().is_some_and(|finding| finding.place.ends_with(place)), "{findings:?}");
}

#[test]
fn packed_layers_and_layouts_of_newer_engines_are_read() {
    let layer = tar(&[("etc/a", VALUE.as_bytes())]);
    for packed in [layer.clone(), gz(&layer), zst(&layer)] {
        let config = serde_json::json!({ "rootfs": { "diff_ids": [digest(&layer)] } }).to_string();
        let blob = |data: &[u8]| format!("blobs/{}", digest(data).replace(':', "/"));
        let statement = serde_json::json!({ "payloadType": "application/vnd.in-toto+json", "payload": STANDARD.encode(format!("{{\"arg\":\"{VALUE}\"}}")) }).to_string();
        let manifest = serde_json::json!({
            "config": { "digest": digest(config.as_bytes()) },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(&packed) }],
        })
        .to_string();
        let blobs = [packed.clone(), config.clone().into_bytes(), manifest.into_bytes(), statement.into_bytes()];
        let names: Vec<String> = blobs.iter().map(|data| blob(data)).collect();
        let mut files: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(blobs.iter().map(Vec::as_slice)).collect();
        files.push(("index.json", br#"{"manifests":[]}"#));
        let docker = serde_json::json!([{ "Config": blob(config.as_bytes()), "Layers": [blob(&packed)] }]).to_string();
        for with_docker in [true, false] {
            if with_docker {
                files.push(("manifest.json", docker.as_bytes()));
            }
            let places: Vec<_> = search(&tar(&files)).findings.into_iter().map(|one| one.place).collect();
            let short = &digest(&layer)[..19];
            assert_eq!(places, ["provenance (payload)".to_owned(), format!("layer 1 ({short}…) /etc/a")]);
            files.retain(|(name, _)| *name != "manifest.json");
        }
    }
}

#[test]
fn configuration_and_history_are_searched_and_the_builders_record_counts_for_secrets_only() {
    let config = serde_json::json!({
        "config": { "Env": ["PATH=/bin", format!("TOKEN={VALUE}")], "Labels": { "note": STANDARD.encode(format!("{VALUE}!")) }, "Cmd": ["x", "proxy.lan"] },
        "container_config": { "Cmd": ["|1 M=http://proxy.lan /bin/sh"] },
        "history": [{ "created_by": "RUN |1 M=http://proxy.lan /bin/sh" }, { "created_by": format!("RUN <{VALUE}>") }],
    });
    let about = About { recorded: vec!["M=http://proxy.lan".into()], ..About::default() };
    let image = image(&[tar(&[("a", b"")])], &config.to_string());
    let searched = proof().search(image.as_slice(), &about).unwrap();
    let found: Vec<String> = searched.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "`registry_password` in configuration (Env[1])",
            "`registry_password` in configuration (Labels.note) (base64)",
            "`registry_password` in history",
            "`proxy.lan` in configuration (Cmd[1])",
        ]
    );
    let searched = proof().search(image.as_slice(), &About::default()).unwrap();
    assert_eq!(searched.findings.len(), 6, "{:?}", searched.findings);
    let about =
        About { descriptions: vec![("history", format!("[{{\"CreatedBy\":\"ENV A={VALUE}\"}}]"))], ..About::default() };
    let clean = super::proof_tests::image(&[tar(&[("a", b"")])], "{}");
    assert_eq!(proof().search(clean.as_slice(), &about).unwrap().findings[0].place, "history");
}

#[test]
fn a_clean_layer_is_searched_once_and_a_hit_is_never_remembered() {
    let proof = proof();
    let (base, bad) = (tar(&[("base", b"x"), ("b.bz2", b"BZh91AY&SY")]), tar(&[("bad", VALUE.as_bytes())]));
    let about = |id: &str| About { id: id.into(), ..About::default() };
    let cost = |image: &[u8], id: &str| {
        let searched = proof.search(image, &about(id)).unwrap();
        (searched.cost.layers_searched, searched.cost.layers_known, searched.findings.len(), searched.cost.not_opened)
    };
    assert_eq!(cost(&image(std::slice::from_ref(&base), "{}"), "one"), (1, 0, 0, 1));
    assert_eq!(cost(&image(&[base.clone(), bad.clone()], "{}"), "two"), (1, 1, 1, 1));
    assert_eq!(cost(&image(&[base, bad], "{}"), "two"), (1, 1, 1, 1));
    let total = proof.total();
    assert_eq!((total.layers_searched, total.layers_known, total.not_opened), (3, 2, 3));
    // Of a few bytes no rate is told.
    assert!(total.seconds_per_gb() > 0.0 && !total.to_string().contains(" s/GB"), "{total}");
    assert!(proof.knows("one") && !proof.knows("two") && !proof.knows(""));
    let again = Proof::new(&values(), &["proxy.lan".to_owned()], proof.clean());
    assert!(again.knows("one"));
    let more = [("new".to_owned(), Secret::new("another value"))];
    assert!(!Proof::new(&more, &["proxy.lan".to_owned()], proof.clean()).knows("one"));
    assert!(!Proof::new(&values(), &[], proof.clean()).knows("one"));
}

#[test]
fn a_value_over_the_border_of_two_pieces_is_found() {
    let piece = 128 << 10;
    let fragment = STANDARD.encode(VALUE);
    for value in [VALUE, &fragment] {
        for cut in 1..value.len() {
            let content = [vec![b'.'; 2 * piece - cut], value.as_bytes().to_vec(), b"...".to_vec()].concat();
            assert_eq!(in_file("a", &content).len(), 1, "{cut} bytes before the border");
        }
    }
}

#[test]
fn very_many_hits_in_one_layer_do_not_make_another_clean() {
    let names: Vec<String> = (0..1100).map(|at| format!("f{at}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), VALUE.as_bytes())).collect();
    let whole = image(&[tar(&many), tar(&[("bad", VALUE.as_bytes())])], "{}");
    let proof = proof();
    for _ in 0..2 {
        let searched = proof.search(whole.as_slice(), &About::default()).unwrap();
        assert_eq!((searched.cost.layers_searched, searched.findings.len()), (2, 20));
    }
}

#[test]
fn a_name_that_stands_for_no_content_is_searched_each_time() {
    let config = r#"{"rootfs":{"diff_ids":["a","b"]}}"#.as_bytes();
    let manifest = br#"[{"Config":"c.json","Layers":["layer.tar"]}]"#.as_slice();
    let with = |layer: &[u8]| tar(&[("layer.tar", layer), ("c.json", config), ("manifest.json", manifest)]);
    let proof = proof();
    let findings = |image: Vec<u8>| proof.search(image.as_slice(), &About::default()).unwrap().findings.len();
    assert_eq!(findings(with(&tar(&[("a", b"x")]))), 0);
    assert_eq!(findings(with(&tar(&[("a", VALUE.as_bytes())]))), 1);
}

#[test]
fn an_image_that_was_replaced_meanwhile_proves_nothing() {
    let layer = tar(&[("a", b"x")]);
    let whole = image(std::slice::from_ref(&layer), "{}");
    let about = |diff: &str| About { id: "one".into(), layers: vec![diff.to_owned()], ..About::default() };
    let proof = proof();
    assert!(proof.search(whole.as_slice(), &about("sha256:other")).is_err());
    assert!(!proof.knows("one"));
    assert!(proof.search(whole.as_slice(), &about(&digest(&layer))).is_ok());
    assert!(proof.knows("one"));
}

#[test]
fn what_is_cut_or_damaged_proves_nothing_or_is_told() {
    let whole = image(&[tar(&[("a", &[7; 5000])])], "{}");
    for cut in [0, 100, 600, 3000, 6000, 7400] {
        assert!(proof().search(&whole[..cut], &About::default()).is_err(), "{cut}");
    }
    let failing = (&whole[..4096]).chain(Failing);
    assert!(proof().search(failing, &About::default()).is_err());
    // The same below a decoder: the image's failure is none of the member.
    let text: Vec<u8> = (0..400_000_u32).flat_map(|at| at.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
    let packed = image(&[tar(&[("a.gz", &gz(&text))])], "{}");
    let failing = (&packed[..900_000]).chain(Failing);
    assert!(proof().search(failing, &About::default()).is_err());
    let (gz, xz, zst) = (gz(b"some text that is long"), xz(b"some text"), zst(b"some text"));
    assert_eq!(closed("a.gz", &gz[..gz.len() - 9]), ["/a.gz: its gzip data end early"]);
    assert_eq!(closed("a.xz", &xz[..xz.len() - 4]).len(), 1);
    assert_eq!(closed("a.zst", &zst[..zst.len() - 4]).len(), 1);
    let mut bad = gz.clone();
    bad[12] ^= 0xff;
    assert_eq!(closed("a.gz", &bad).len(), 1);
    let inner = tar(&[("b", &[1; 3000])]);
    assert_eq!(closed("a.tar", &inner[..2000]), ["/a.tar: its tar data end early"]);
    let mut broken = tar(&[("b", b"x"), ("c", b"y")]);
    broken[1024 + 150] = b'9';
    broken.extend(VALUE.bytes());
    let searched = search(&image(&[tar(&[("a.tar", &broken)])], "{}"));
    assert_eq!((searched.findings.len(), searched.not_opened.len()), (1, 1), "{searched:?}");
    assert_eq!(closed("x.bz2", b"BZh91AY&SY and so on").len(), 1);
    assert_eq!(closed("x.bz2", &bz2(b"some text")[..20]), ["/x.bz2: its bzip2 data end early"]);
    assert_eq!(closed("x.7z", b"7z\xbc\xaf\x27\x1c and so on"), ["/x.7z: 7z is not unpacked"]);
    assert_eq!(
        closed("x.a", b"!<arch>\nno header of sixty bytes, or one that is damaged: 123456789012"),
        ["/x.a: its ar data are damaged"]
    );
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("connection reset"))
    }
}

#[test]
fn depth_and_size_have_limits_that_are_told() {
    let mut nested = VALUE.as_bytes().to_vec();
    for _ in 0..3 {
        nested = gz(&nested);
    }
    check("a.gz", &nested, "/a.gz > a > a > a");
    nested = gz(&nested);
    assert_eq!(closed("a.gz", &nested), ["/a.gz > a > a > a: it lies deeper than 3 levels"]);
    let mut nested = vec![0; 10];
    for _ in 0..10_000 {
        nested = zipped("n", 0, 0, &nested, u32::try_from(nested.len()).unwrap(), b"");
    }
    assert_eq!(closed("a.zip", &nested), ["/a.zip > n > n > n: it lies deeper than 3 levels"]);
    // A tar archive in another is a level; one in a packed stream is not.
    let mut tars = VALUE.as_bytes().to_vec();
    for _ in 0..3 {
        tars = gz(&tar(&[("t", &tars)]));
    }
    assert_eq!(in_file("t", &tars).len(), 1);
    // Zeros, and zeros whose packed form is packed again.
    let bomb = gz_of_zeros(64 << 20);
    assert_eq!(closed("bomb.gz", &bomb), ["/bomb.gz: it unpacks to more than its budget"]);
    let double = gz(&[bomb.as_slice(), &bomb].concat());
    assert_eq!(closed("bomb.gz", &double).len(), 1);
    let searched = search(&image(&[tar(&[("bomb.gz", &bomb), ("after", VALUE.as_bytes())])], "{}"));
    assert_eq!(searched.findings.len(), 1);
}

fn gz_of_zeros(bytes: u64) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::repeat(0).take(bytes), &mut out).unwrap();
    out.finish().unwrap()
}

#[test]
fn sizes_that_lie_allocate_nothing() {
    let mut header = tar(&[("a", b"x")])[..512].to_vec();
    let lie = |header: &mut Vec<u8>, kind: u8, size: &[u8; 12]| {
        header[156] = kind;
        header[124..136].copy_from_slice(size);
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    };
    for (kind, size) in [
        (b'0', b"77777777777\0"),
        (b'L', b"77777777777\0"),
        (b'x', b"77777777777\0"),
        (b'0', b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ] {
        lie(&mut header, kind, size);
        let searched = proof().search(image(&[header.clone()], "{}").as_slice(), &About::default());
        assert!(searched.is_err() || searched.unwrap().cost.not_opened == 1);
        assert_eq!(closed("a.tar", &[header.as_slice(), &[1; 512]].concat()).len(), 1);
    }
    let manifest = image(&[], "{}");
    assert!(proof().search(manifest.as_slice(), &About::default()).is_ok());
    assert!(proof().search(tar(&[("x", b"y")]).as_slice(), &About::default()).is_err(), "no manifest");
    let missing = tar(&[
        ("c.json", br#"{"rootfs":{"diff_ids":["sha256:1"]}}"#),
        ("manifest.json", br#"[{"Config":"c.json","Layers":["a/layer.tar"]}]"#),
    ]);
    assert!(proof().search(missing.as_slice(), &About::default()).is_err(), "a layer is missing");
}

#[test]
fn short_values_are_named_and_empty_ones_are_none() {
    let values = [
        ("pin".to_owned(), Secret::new("12345\n")),
        ("pin".to_owned(), Secret::new("1234")),
        ("none".to_owned(), Secret::new(" ")),
        ("long".to_owned(), Secret::new("123456")),
    ];
    assert_eq!(Proof::too_short(&values), ["pin"]);
    assert!(Proof::new(&[], &[String::new()], Clean::default()).is_empty());
}

/// Gives its bytes in pieces of odd lengths.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 * 7 % 1009 + 1;
        let length = self.1.min(buffer.len());
        self.0.read(&mut buffer[..length])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_value_is_found_wherever_it_lies(
        before in prop_oneof![0usize..3000, 130_000usize..132_000, 260_000usize..264_000],
        form in 0usize..6,
        seed in 1usize..900,
    ) {
        let filler: Vec<u8> = (0..before as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let value = match form { 0 | 3 => VALUE.to_owned(), 1 | 4 => STANDARD.encode(format!("a{VALUE}bc")), _ => hex::encode(VALUE) };
        let text = [filler.as_slice(), value.as_bytes(), b"end"].concat();
        let content = if form < 3 { text } else { zip("in", &gz(&text)) };
        let whole = image(&[tar(&[("a", b"1"), ("file", &content)])], "{}");
        let searched = proof().search(Pieces(Cursor::new(whole), seed), &About::default()).unwrap();
        prop_assert_eq!(searched.findings.len(), 1);
        prop_assert!(searched.findings[0].place.contains("/file"));
    }

    #[test]
    fn damaged_images_end_in_a_result(at in prop::collection::vec((0usize..20_000, any::<u8>()), 1..20)) {
        let files: [(&str, &[u8]); 5] = [("a.gz", &gz(&[1; 4000])), ("b.zip", &zip("x", &xz(b"text"))), ("c.deb", &ar(&[("d.tar.xz", &xz(&tar(&[("e", b"f")])))])), ("d.zst", &zst(&tar(&[("g", b"h")]))), ("t.tar", &tar(&[("i", b"j")]))];
        let mut whole = image(&[tar(&files)], "{}");
        for (place, byte) in at {
            let place = place % whole.len();
            whole[place] ^= byte;
        }
        let _ = proof().search(whole.as_slice(), &About::default());
    }
}
