// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors

package main

func serveHTTP(r *result, _ int64) {
}
