package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// imagePaths are those of the registry's interface that a pull asks for.
var imagePaths = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)

// serveImages is a registry that has one image under all names, a static busybox which sleeps when it is told nothing else, and
// none under those that [isNeverPulled] knows. It returns its address.
func serveImages() (string, error) {
	layer, err := busyboxLayer()
	if err != nil {
		return "", err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sleep", "2147483647"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	if err != nil {
		return "", err
	}
	const kind = "application/vnd.oci.image."
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
		"config": map[string]any{"mediaType": kind + "config.v1+json", "digest": digest(config), "size": len(config)},
		"layers": []any{map[string]any{"mediaType": kind + "layer.v1.tar", "digest": digest(layer), "size": len(layer)}},
	})
	if err != nil {
		return "", err
	}
	blobs := map[string][]byte{digest(layer): layer, digest(config): config}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := imagePaths.FindStringSubmatch(r.URL.Path)
		if asked == nil || isNeverPulled(asked[1]) {
			http.Error(w, `{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}`, http.StatusNotFound)
			return
		}
		body, media := blobs[asked[3]], "application/octet-stream"
		if asked[2] == "manifests" {
			body, media = manifest, kind+"manifest.v1+json"
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Docker-Content-Digest", digest(body))
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(body)
		}
	}))
	return "http://" + listener.Addr().String(), nil
}

// isNeverPulled is the rule for images that are not there.
func isNeverPulled(image string) bool {
	return strings.Contains(image, "broken") || strings.Contains(image, "missing")
}

func busyboxLayer() ([]byte, error) {
	program, err := os.ReadFile(busybox)
	if err != nil {
		return nil, err
	}
	names, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	for _, name := range []string{"bin/", "etc/", "proc/", "sys/", "dev/", "tmp/"} {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Name: "bin/busybox", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := archive.Write(program); err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(names)) {
		if name == "busybox" {
			continue
		}
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox"}); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return layer.Bytes(), nil
}

func digest(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }
