package container

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// User and group of the controller in its image.
const User = 999

// Root is a folder that becomes the root of a process: the plugin's binary, kubelet's two files, and TMPDIR.
type Root struct {
	// Folder is where the root lies outside.
	Folder string
	// TMPDIR has one path inside and outside, so that the host finds the socket. It is the user's.
	TMPDIR string
}

// Files are what kubelet writes for each pod.
type Files struct{ Hosts, Resolv string }

// ReadOnly is a root of which the user can write TMPDIR alone.
func ReadOnly(t *testing.T, binary string, files Files) *Root {
	t.Helper()
	root := furnished(t, binary, files)
	root.mount(t, unix.MS_RDONLY)
	if err := os.WriteFile(filepath.Join(root.Folder, "written"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Fatalf("the root is not read-only: writing to it gave %v", err)
	}
	return root
}

// Writable is a root that belongs to the user.
func Writable(t *testing.T, binary string, files Files) *Root {
	t.Helper()
	root := furnished(t, binary, files)
	err := filepath.WalkDir(root.Folder, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, User, User))
	})
	if err != nil {
		t.Fatalf("give the root to its user: %v", err)
	}
	root.mount(t, 0)
	return root
}

// Command runs the binary in the root as the user. Its TMPDIR is set for the whole test: go-plugin passes on what the
// host has.
func (r *Root) Command(t *testing.T) *exec.Cmd {
	t.Helper()
	t.Setenv("TMPDIR", r.TMPDIR)
	command := exec.Command("/plugin")
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     r.Folder,
		Credential: &syscall.Credential{Uid: User, Gid: User},
	}
	return command
}

// Listing is every file and folder outside TMPDIR with its time of change, which a file that came and went leaves in
// its folder.
func (r *Root) Listing(t *testing.T) []string {
	t.Helper()
	var listing []string
	err := filepath.WalkDir(r.Folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == r.inside(r.TMPDIR) {
			return fs.SkipDir
		}
		about, err := entry.Info()
		if err == nil {
			listing = append(listing, fmt.Sprintln(path, about.Mode(), about.Size(), about.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatalf("list the root: %v", err)
	}
	return listing
}

func furnished(t *testing.T, binary string, files Files) *Root {
	t.Helper()
	onlyStatic(t, binary)
	root := &Root{Folder: t.TempDir(), TMPDIR: socketFolder(t)}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatalf("read the plugin: %v", err)
	}
	for path, content := range map[string][]byte{
		"/plugin":          program,
		"/etc/hosts":       []byte(files.Hosts),
		"/etc/resolv.conf": []byte(files.Resolv),
	} {
		err := errors.Join(
			os.MkdirAll(filepath.Dir(root.inside(path)), 0o755),
			os.WriteFile(root.inside(path), content, 0o755),
		)
		if err != nil {
			t.Fatalf("put %s into the root: %v", path, err)
		}
	}
	if err := os.MkdirAll(root.inside(root.TMPDIR), 0o755); err != nil {
		t.Fatalf("make TMPDIR in the root: %v", err)
	}
	return root
}

// onlyStatic skips a binary that asks for a loader, which an empty root has not.
func onlyStatic(t *testing.T, binary string) {
	t.Helper()
	program, err := elf.Open(binary)
	if err != nil {
		t.Fatalf("read the plugin: %v", err)
	}
	defer program.Close()
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Skipf("%s is linked dynamically: build it with make static", binary)
		}
	}
}

// socketFolder is short, since the path of a socket may have 107 bytes, and the user's.
func socketFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "temper-host-")
	if err != nil {
		t.Fatalf("make TMPDIR: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chown(folder, User, User); err != nil {
		t.Fatalf("give TMPDIR to its user: %v", err)
	}
	return folder
}

// mount lays the root over itself with the flags, and TMPDIR over its place in it, until the test ends.
func (r *Root) mount(t *testing.T, flags uintptr) {
	t.Helper()
	if err := unix.Mount(r.Folder, r.Folder, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("this root may not mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(r.Folder, unix.MNT_DETACH) })
	err := errors.Join(
		unix.Mount("", r.Folder, "", unix.MS_BIND|unix.MS_REMOUNT|flags, ""),
		unix.Mount(r.TMPDIR, r.inside(r.TMPDIR), "", unix.MS_BIND, ""),
	)
	if err != nil {
		t.Fatalf("mount the root: %v", err)
	}
}

func (r *Root) inside(path string) string { return filepath.Join(r.Folder, path) }
