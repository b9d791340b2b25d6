// The source of the target whose precompiled headers all tests use.
#include <doctest/doctest.h>
