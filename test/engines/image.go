package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// imageName is what scripts find in $IMAGE, pauseName the image that keeps a pod's namespaces.
const (
	imageName = "localhost/box:1"
	pauseName = "localhost/pause:1"
)

// writeImage makes an archive with one image of busybox, in the layout of OCI (image-spec, image-layout.md) and with
// Docker's manifest.json: every engine reads one of them.
func writeImage(path, name string, command ...string) error {
	layer, err := rootfs()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config":  map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": command},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
		"history": []any{map[string]any{"created_by": "busybox"}},
	})
	if err != nil {
		return err
	}
	descriptor := func(kind string, b []byte) map[string]any {
		return map[string]any{"mediaType": "application/vnd.oci.image." + kind, "digest": digest(b), "size": len(b)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": descriptor("config.v1+json", config), "layers": []any{descriptor("layer.v1.tar", layer)},
	})
	if err != nil {
		return err
	}
	entry := descriptor("manifest.v1+json", manifest)
	entry["annotations"] = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{entry}})
	if err != nil {
		return err
	}
	docker, err := json.Marshal([]any{map[string]any{"Config": blob(config), "RepoTags": []string{name}, "Layers": []string{blob(layer)}}})
	if err != nil {
		return err
	}
	a := newArchive()
	a.dir("blobs")
	a.dir("blobs/sha256")
	for _, b := range [][]byte{layer, config, manifest} {
		a.file(blob(b), 0o644, b)
	}
	a.file("oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`))
	a.file("index.json", 0o644, index)
	a.file("manifest.json", 0o644, docker)
	b, err := a.bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func blob(b []byte) string { return "blobs/" + strings.Replace(digest(b), ":", "/", 1) }

// rootfs is the image's layer: busybox and a few users.
func rootfs() ([]byte, error) {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, err
	}
	applets, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		return nil, err
	}
	a := newArchive()
	for _, dir := range []string{"bin", "dev", "etc", "home", "home/user", "proc", "root", "sys", "usr", "usr/share", "var"} {
		a.dir(dir)
	}
	a.header(tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
	a.file("bin/busybox", 0o755, busybox)
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			a.header(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox"})
		}
	}
	a.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"))
	a.file("etc/group", 0o644, []byte("root:x:0:\nuser:x:1000:\nmore:x:1001:user\n"))
	return a.bytes()
}

// archive is a tar archive in memory. The first error is kept.
type archive struct {
	buffer bytes.Buffer
	w      *tar.Writer
	err    error
}

func newArchive() *archive {
	a := &archive{}
	a.w = tar.NewWriter(&a.buffer)
	return a
}

func (a *archive) header(h tar.Header) {
	if a.err == nil {
		a.err = a.w.WriteHeader(&h)
	}
}

func (a *archive) dir(name string) {
	a.header(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (a *archive) file(name string, mode int64, content []byte) {
	a.header(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))})
	if a.err == nil {
		_, a.err = a.w.Write(content)
	}
}

func (a *archive) bytes() ([]byte, error) {
	if a.err != nil {
		return nil, a.err
	}
	err := a.w.Close()
	return a.buffer.Bytes(), err
}
