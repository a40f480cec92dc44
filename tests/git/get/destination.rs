use super::*;

#[test]
fn must_be_empty() {
    let (repository, commits) = history(&["one"]);
    let destination = scratch::directory();
    fs::write(destination.path().join("mine"), "precious").expect("write a file");
    let outcome = Verb::get("git")
        .dir(destination.path())
        .request(&request(&source(&repository.file_url()), Some(&commits[0]), &json!({})))
        .run();
    outcome.failed();
    assert_eq!(messages(&outcome), "error: the destination `[DIR]` is not empty\n");
    assert_eq!(read(&destination, "mine"), "precious");
}

#[test]
fn must_be_writable() {
    if Runner::chosen() == Runner::Image {
        // The engine creates the mounted directory, or fails to, before the verb starts.
        return;
    }
    let (repository, commits) = history(&["one"]);
    let directory = scratch::directory();
    let file = directory.path().join("file");
    fs::write(&file, "precious").expect("write a file");
    let request = request(&source(&repository.file_url()), Some(&commits[0]), &json!({}));
    let outcome = Verb::get("git").dir(file.join("below")).request(&request).run();
    outcome.failed();
    assert_eq!(
        messages(&outcome),
        "error: cannot create the destination `[DIR]`\n  caused by: Not a directory (os error 20)\n"
    );
    let outcome = Verb::get("git").dir(&file).request(&request).run();
    outcome.failed();
    assert_eq!(messages(&outcome), "error: the destination `[DIR]` is not a directory\n");
    assert_eq!(read(&directory, "file"), "precious");
}

#[test]
fn is_the_only_directory_written_to() {
    let (repository, commits) = history(&["one"]);
    let (_destination, outcome) = get(&source(&repository.file_url()), Some(&commits[0]), json!({}));
    outcome.succeeded();
    assert_eq!(outcome.leftovers(), Vec::<std::path::PathBuf>::new());
}
